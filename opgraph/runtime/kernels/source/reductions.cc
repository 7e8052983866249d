// The reductions, compiled once for each instruction set, and the choice among them at run time.

#include "reductions.h"

#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#define OPGRAPH_X86 1
#endif

namespace opgraph {
namespace {

template <class To, class From>
inline To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "same width");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

inline float float_of_bfloat(uint16_t x) { return bits_as<float>(uint32_t{x} << 16); }

inline uint16_t bfloat_of_float(float x) {
  const uint32_t bits = bits_as<uint32_t>(x);
  if (x != x) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float float_of_half(uint16_t x) {
  const uint32_t sign = uint32_t{x & 0x8000u} << 16;
  const uint32_t exponent = (x >> 10) & 0x1f, fraction = x & 0x3ff;
  if (exponent == 0) {  // zero or subnormal: a multiple of 2^-24, exact
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return bits_as<float>(sign | (wide << 23) | (fraction << 13));
}

// Rounds to nearest, ties to even.
inline uint16_t half_of_float(float x) {
  const uint32_t bits = bits_as<uint32_t>(x), magnitude = bits & 0x7fffffff;
  const uint32_t sign = (bits >> 16) & 0x8000;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);
  if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);  // from 65520 on
  if (magnitude < 0x38800000) {  // below 2^-14: adding 0.5 leaves multiples of 2^-24
    const float shifted = bits_as<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (bits_as<uint32_t>(shifted) - 0x3f000000));
  }
  const uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000) >> 13));
}

// The bin of finite numbers other than zero, by power of two.
inline int bin_of_power(bool negative, int power) {
  const int step = power - kLeastPower;
  const int away = 2 + (step < -1 ? -1 : step > kPowers ? kPowers : step);
  return negative ? kZeroBin - away : kZeroBin + away;
}

// The bin by the upper bits: sign and exponent of a number that is neither zero nor NaN.
template <class Number>
inline int bin_of_key(int key) {
  constexpr int kExponents = sizeof(Number) == 4 ? 256 : 2048;
  const bool negative = key >= kExponents;
  const int exponent = key % kExponents;
  if (exponent == kExponents - 1) return negative ? 0 : kBins - 2;
  return bin_of_power(negative, exponent - (kExponents / 2 - 1));
}

template <class Number>
inline int bin_of(Number x) {
  using Bits = std::conditional_t<sizeof(Number) == 4, uint32_t, uint64_t>;
  if (x != x) return kBins - 1;
  if (x == 0) return kZeroBin;
  return bin_of_key<Number>(bits_as<Bits>(x) >> (std::numeric_limits<Number>::digits - 1));
}

namespace baseline {
#define OPGRAPH_BYTES 16
#define OPGRAPH_TARGET
#define OPGRAPH_LEVEL 0
#include "lanes.inc"
bool available() { return true; }
constexpr Functions functions{"baseline", available, block, channels, histogram};
}  // namespace baseline

#if OPGRAPH_X86
namespace avx2 {
#define OPGRAPH_BYTES 32
#define OPGRAPH_TARGET __attribute__((target("avx2,fma,f16c")))
#define OPGRAPH_LEVEL 1
#include "lanes.inc"
// Every processor with AVX2 that was ever made has F16C; compilers cannot all ask for it.
bool available() {
  __builtin_cpu_init();  // clang does not everywhere by itself
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
constexpr Functions functions{"avx2", available, block, channels, histogram};
}  // namespace avx2

namespace avx512 {
#define OPGRAPH_BYTES 64
#define OPGRAPH_TARGET __attribute__((target("avx512f,avx2,fma,f16c")))
#define OPGRAPH_LEVEL 2
#include "lanes.inc"
bool available() { return avx2::available() && __builtin_cpu_supports("avx512f"); }
constexpr Functions functions{"avx512", available, block, channels, histogram};
}  // namespace avx512

constexpr const Functions* kAll[] = {&avx512::functions, &avx2::functions, &baseline::functions};
#else
constexpr const Functions* kAll[] = {&baseline::functions};
#endif

double no_sign_of_zero(double x) { return x + 0.0; }

}  // namespace

const Functions* find_functions(const char* name) {
  const bool any = std::strcmp(name, "auto") == 0;
  for (const Functions* functions : kAll) {
    if ((any || std::strcmp(name, functions->name) == 0) && functions->available()) {
      return functions;
    }
  }
  return nullptr;
}

const char* opgraph_instruction_sets() {
  static const std::string names = [] {
    std::string found;
    for (const Functions* functions : kAll) {
      if (!functions->available()) continue;
      found += (found.empty() ? "" : ",") + std::string(functions->name);
    }
    return found;
  }();
  return names.c_str();
}

void combine_blocks(const Partial* partials, int64_t blocks, int stride, int64_t n, int64_t padding,
                    double* moments) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  Partial all{0, 0, kInf, -kInf, 0, 0, 0};
  for (int64_t b = 0; b < blocks; ++b) {
    const Partial& part = partials[b * stride];
    all.sum += part.sum;
    all.sumsq += part.sumsq;
    all.min = part.min < all.min ? part.min : all.min;
    all.max = part.max > all.max ? part.max : all.max;
    all.zeros += part.zeros;
    all.nan += part.nan;
    all.inf += part.inf;
  }
  if (padding > 0) {
    all.zeros += padding;
    all.min = all.min < 0 ? all.min : 0;
    all.max = all.max > 0 ? all.max : 0;
  }
  n += padding;
  if (all.nan + all.inf == n) all.min = all.max = std::numeric_limits<double>::quiet_NaN();
  const double row[kMoments] = {static_cast<double>(n),
                                static_cast<double>(all.nan),
                                static_cast<double>(all.inf),
                                static_cast<double>(all.zeros),
                                all.sum,
                                all.sumsq,
                                no_sign_of_zero(all.min),
                                no_sign_of_zero(all.max)};
  std::memcpy(moments, row, sizeof row);
}

void combine_channels(const double* blocks, int64_t num_blocks, int64_t size, double* figures) {
  for (int64_t i = 0; i < size; ++i) figures[i] = 0;
  for (int64_t b = 0; b < num_blocks; ++b) {
    for (int64_t i = 0; i < size; ++i) figures[i] += blocks[b * size + i];
  }
}

int64_t rows_of_block(int64_t channels) {
  const int64_t rows = kBlock / (channels > 0 ? channels : 1);
  return rows < 32 ? 32 : rows > kRowsInBlock ? kRowsInBlock : rows;
}

#if OPGRAPH_X86
ExactArithmetic::ExactArithmetic() : kept_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
ExactArithmetic::~ExactArithmetic() { _mm_setcsr(static_cast<unsigned>(kept_)); }
#elif defined(__aarch64__)
ExactArithmetic::ExactArithmetic() {
  __asm__ volatile("mrs %0, fpcr" : "=r"(kept_));
  __asm__ volatile("msr fpcr, %0" : : "r"(uint64_t{0}));
}
ExactArithmetic::~ExactArithmetic() { __asm__ volatile("msr fpcr, %0" : : "r"(kept_)); }
#else
ExactArithmetic::ExactArithmetic() : kept_(0) {}
ExactArithmetic::~ExactArithmetic() {}
#endif

}  // namespace opgraph
