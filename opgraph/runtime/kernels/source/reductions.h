// What the reductions take and give. Knows nothing of TensorFlow.
//
// A tensor is cut into blocks of kBlock elements. Within a block element i belongs to lane
// i % lanes (16, for float64 8); each lane is summed in float64 in the order of the elements, the
// lanes are added up pairwise, and blocks in the order of their index. Neither threads nor the
// instruction set are part of this rule, so the bits of a result depend on neither.

#ifndef OPGRAPH_REDUCTIONS_H_
#define OPGRAPH_REDUCTIONS_H_

#include <cstdint>

namespace opgraph {

constexpr int64_t kBlock = 16384;      // elements
constexpr int64_t kRowsInBlock = 1024;  // most rows of a block of channels
constexpr int kMoments = 8;  // count, nan, inf, zeros, sum, sumsq, min, max
constexpr int kFigures = 4;  // of a channel: finite, sum, sumsq, positive

// Histogram, from left to right: -Inf, over, 2^23 .. 2^-40, under | zero | the same upwards | NaN.
constexpr int kLeastPower = -40;
constexpr int kPowers = 64;
constexpr int kZeroBin = kPowers + 3;
constexpr int kBins = 2 * kZeroBin + 2;

enum class Type { kFloat32, kFloat64, kFloat16, kBfloat16 };

// What is read, and the rows of moments that it gives, each a partial of its own.
enum class Mode {
  kPlain,           // a
  kWithRelu,        // a; relu(a)
  kDifference,      // a - b, rounded to the type
  kSubtraction,     // what becomes of a when b is taken from it: (a - b) - a, rounded twice
  kAffine,          // a; y = a * scale + shift, rounded twice; the last axis has its own scale
  kAffineWithRelu,  // a; y; relu(y)
  kGate,            // a; a where b > 0, times zero elsewhere: what relu hands back
  kGateWithGate,    // b; a; a where b > 0
};

constexpr int rows_of(Mode mode) {
  switch (mode) {
    case Mode::kPlain:
    case Mode::kDifference:
    case Mode::kSubtraction: return 1;
    case Mode::kAffineWithRelu:
    case Mode::kGateWithGate: return 3;
    default: return 2;
  }
}

// Tensors that are read together, element by element.
struct Read {
  Mode mode;
  const void* a;
  const void* b = nullptr;
  // Of the affine modes: one value after the other for all channels, again and again, `period`
  // numbers and kMostLanes more; the period is a multiple of the channels and at least kMostLanes.
  const void *scale = nullptr, *shift = nullptr;
  int64_t period = 0;
};
constexpr int kMostLanes = 16;

struct Partial {
  double sum, sumsq, min, max;  // of the finite elements
  int64_t zeros, nan, inf;
};

// The functions of one instruction set. `n` is at most kBlock.
struct Functions {
  const char* name;
  bool (*available)();
  // n elements from `start` on, a multiple of kBlock; out[rows_of(read.mode)].
  void (*block)(Type type, const Read& read, int64_t start, int64_t n, Partial* out);
  // figures[f * channels + c], written.
  void (*channels)(Type type, const void* x, int64_t rows, int64_t channels, double* figures);
  // bins[kBins], added to.
  void (*histogram)(Type type, const void* x, int64_t n, int64_t* bins);
};

// The best of this processor for "auto", else the one of that name; null if there is none.
const Functions* find_functions(const char* name);

// Names of the instruction sets that this processor has, best first, separated by commas.
extern "C" const char* opgraph_instruction_sets();

// Partials of the blocks of a tensor of n elements, `stride` apart, as kMoments numbers; `padding`
// more elements are zeros that were not read.
void combine_blocks(const Partial* partials, int64_t blocks, int stride, int64_t n, int64_t padding,
                    double* moments);

// Sums of blocks of channels, in the order of the blocks.
void combine_channels(const double* blocks, int64_t num_blocks, int64_t size, double* figures);

// Rows of a block, for so many channels.
int64_t rows_of_block(int64_t channels);

// While it lives, this thread rounds to nearest and keeps subnormal numbers: TensorFlow makes its
// threads flush them to zero, others do not, and the bits must not depend on who calls.
class ExactArithmetic {
 public:
  ExactArithmetic();
  ~ExactArithmetic();
  ExactArithmetic(const ExactArithmetic&) = delete;
  ExactArithmetic& operator=(const ExactArithmetic&) = delete;

 private:
  uint64_t kept_;
};

}  // namespace opgraph

#endif  // OPGRAPH_REDUCTIONS_H_
