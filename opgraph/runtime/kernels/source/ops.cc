// TensorFlow ops of the reductions: what they take and give, and how the work is shared out.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "reductions.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/util/work_sharder.h"

namespace opgraph {
namespace {

using tensorflow::DataType;
using tensorflow::DataTypeSize;
using tensorflow::OpInputList;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::shape_inference::InferenceContext;

// Below so many bytes, waking another thread costs more than it saves.
constexpr int64_t kWorthSharing = int64_t{1} << 20;
constexpr int kMostReads = 3, kMostRows = 3, kMostResults = 4;  // of a job

Type type_of(DataType dtype) {
  switch (dtype) {
    case tensorflow::DT_DOUBLE: return Type::kFloat64;
    case tensorflow::DT_HALF: return Type::kFloat16;
    case tensorflow::DT_BFLOAT16: return Type::kBfloat16;
    default: return Type::kFloat32;
  }
}

// Where the moments of a row go.
struct Result {
  int row;  // of all rows of the job
  double* moments;
  int64_t padding = 0;  // zeros that were not read
};

// Tensors of one size that are read together, block by block, while they are in the cache.
struct Job {
  int64_t n;
  int num_reads = 0, num_rows = 0, num_results = 0;
  Read reads[kMostReads];
  Result results[kMostResults];
  int64_t first_unit = 0;  // of all blocks of all jobs

  // The first of the rows that it gives.
  int read(const Read& read) {
    reads[num_reads++] = read;
    num_rows += rows_of(read.mode);
    return num_rows - rows_of(read.mode);
  }
  void give(const Result& result) { results[num_results++] = result; }
};
using Jobs = absl::InlinedVector<Job, 2>;

int64_t num_blocks(int64_t n) { return (n + kBlock - 1) / kBlock; }

class Reduction : public OpKernel {
 public:
  explicit Reduction(OpKernelConstruction* context) : OpKernel(context) {
    std::string name;
    OP_REQUIRES_OK(context, context->GetAttr("isa", &name));
    OP_REQUIRES_OK(context, context->GetAttr("threads", &threads_));
    OP_REQUIRES_OK(context, context->GetAttr("T", &dtype_));
    functions_ = find_functions(name.c_str());
    OP_REQUIRES(context, functions_ != nullptr,
                absl::InvalidArgumentError("this processor has no instruction set '" + name +
                                           "'; it has " + opgraph_instruction_sets()));
  }

 protected:
  // Calls work(begin, end) for all units, in several threads if there are bytes enough.
  template <class Work>
  void share(OpKernelContext* context, int64_t units, int64_t bytes, const Work& work) const {
    const auto& pool = *context->device()->tensorflow_cpu_worker_threads();
    const int most = threads_ > 0 ? std::min(threads_, pool.num_threads) : pool.num_threads;
    const auto exact = [&work](int64_t begin, int64_t end) {
      const ExactArithmetic guard;
      work(begin, end);
    };
    if (most <= 1 || units <= 1 || bytes < kWorthSharing) return exact(0, units);
    tensorflow::Shard(most, pool.workers, units, std::max<int64_t>(1, bytes / units / 8), exact);
  }

  void run(OpKernelContext* context, Jobs* jobs) const {
    int64_t units = 0, bytes = 0;
    for (Job& job : *jobs) {
      job.first_unit = units;
      units += num_blocks(job.n);
      bytes += job.n * job.num_reads * DataTypeSize(dtype_);
    }
    absl::InlinedVector<Partial, 2 * kMostRows> partials(units * kMostRows);
    share(context, units, bytes, [&](int64_t begin, int64_t end) {
      auto job = std::upper_bound(jobs->begin(), jobs->end(), begin,
                                  [](int64_t unit, const Job& j) { return unit < j.first_unit; });
      for (int64_t unit = begin; unit < end; ++unit) {
        while (job != jobs->end() && job->first_unit <= unit) ++job;
        reduce_block(*std::prev(job), unit, &partials[unit * kMostRows]);
      }
    });
    const ExactArithmetic guard;
    for (const Job& job : *jobs) {
      const Partial* first = partials.data() + job.first_unit * kMostRows;
      for (int r = 0; r < job.num_results; ++r) {
        const Result& result = job.results[r];
        combine_blocks(first + result.row, num_blocks(job.n), kMostRows, job.n, result.padding,
                       result.moments);
      }
    }
  }

  void reduce_block(const Job& job, int64_t unit, Partial* partials) const {
    const int64_t start = (unit - job.first_unit) * kBlock;
    for (int r = 0; r < job.num_reads; ++r) {
      functions_->block(type_of(dtype_), job.reads[r], start, std::min(kBlock, job.n - start),
                        partials);
      partials += rows_of(job.reads[r].mode);
    }
  }

  double* make_output(OpKernelContext* context, const TensorShape& shape) const {
    Tensor* output = nullptr;
    const auto status = context->allocate_output(0, shape, &output);
    if (!status.ok()) {
      context->CtxFailure(status);
      return nullptr;
    }
    return output->flat<double>().data();
  }

  const Functions* functions_ = nullptr;
  DataType dtype_;
  int threads_ = 0;
};

const char* bytes_of(const Tensor& tensor) { return tensor.tensor_data().data(); }

// A job that reads one tensor and gives all its rows one after the other.
Job whole_job(const Tensor& x, const Read& read, double* out) {
  Job job{x.NumElements()};
  job.read(read);
  for (int row = 0; row < job.num_rows; ++row) job.give({row, out + row * kMoments});
  return job;
}

class MomentsOp final : public Reduction {
 public:
  using Reduction::Reduction;
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    double* out = make_output(context, {kMoments});
    if (out == nullptr) return;
    Jobs jobs{whole_job(x, {Mode::kPlain, bytes_of(x)}, out)};
    run(context, &jobs);
  }
};

class MomentsAndReluOp final : public Reduction {
 public:
  using Reduction::Reduction;
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    double* out = make_output(context, {2, kMoments});
    if (out == nullptr) return;
    Jobs jobs{whole_job(x, {Mode::kWithRelu, bytes_of(x)}, out)};
    run(context, &jobs);
  }
};

// x; y = x * scale + shift; relu(y) where it is wanted.
class AffineMomentsOp final : public Reduction {
 public:
  explicit AffineMomentsOp(OpKernelConstruction* context) : Reduction(context) {
    OP_REQUIRES_OK(context, context->GetAttr("relu", &relu_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &x = context->input(0), &scale = context->input(1), &shift = context->input(2);
    const int64_t channels = x.dims() > 0 ? x.dim_size(x.dims() - 1) : 0;
    OP_REQUIRES(context, scale.shape() == TensorShape({channels}) && shift.shape() == scale.shape(),
                absl::InvalidArgumentError("scale and shift need one number a channel"));
    const Mode mode = relu_ ? Mode::kAffineWithRelu : Mode::kAffine;
    double* out = make_output(context, {rows_of(mode), kMoments});
    if (out == nullptr) return;
    Read read{mode, bytes_of(x)};
    read.period = channels * ((kMostLanes + channels - 1) / std::max<int64_t>(1, channels));
    read.period = std::max<int64_t>(1, read.period);
    const auto scales = repeated(scale, read.period), shifts = repeated(shift, read.period);
    read.scale = scales.data();
    read.shift = shifts.data();
    Jobs jobs{whole_job(x, read, out)};
    run(context, &jobs);
  }

 private:
  std::vector<char> repeated(const Tensor& values, int64_t period) const {
    const int64_t size = DataTypeSize(dtype_), bytes = values.NumElements() * size;
    std::vector<char> found((period + kMostLanes) * size);
    for (size_t i = 0; bytes > 0 && i < found.size(); ++i) found[i] = bytes_of(values)[i % bytes];
    return found;
  }

  bool relu_ = false;
};

// gate; grad; grad and what relu hands back of it, each with so many zeros more.
class GateMomentsOp final : public Reduction {
 public:
  explicit GateMomentsOp(OpKernelConstruction* context) : Reduction(context) {
    OP_REQUIRES_OK(context, context->GetAttr("with_gate", &with_gate_));
    OP_REQUIRES_OK(context, context->GetAttr("padding", &padding_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &gate = context->input(0), &grad = context->input(1);
    OP_REQUIRES(context, gate.shape() == grad.shape(),
                absl::InvalidArgumentError("gate and grad differ in shape"));
    double* out = make_output(context, {4, kMoments});
    if (out == nullptr) return;
    std::fill_n(out, kMoments, std::numeric_limits<double>::quiet_NaN());
    Job job{grad.NumElements()};
    const Mode mode = with_gate_ ? Mode::kGateWithGate : Mode::kGate;
    job.read({mode, bytes_of(grad), bytes_of(gate)});
    if (with_gate_) job.give({0, out});
    const int row = rows_of(mode) - 2;
    job.give({row, out + kMoments});
    job.give({row, out + 2 * kMoments, padding_});
    job.give({row + 1, out + 3 * kMoments, padding_});
    Jobs jobs{job};
    run(context, &jobs);
  }

 private:
  bool with_gate_ = false;
  int64_t padding_ = 0;
};

class MomentsOfManyOp final : public Reduction {
 public:
  using Reduction::Reduction;
  void Compute(OpKernelContext* context) override {
    const int count = context->num_inputs();
    double* out = make_output(context, {count, kMoments});
    if (out == nullptr) return;
    Jobs jobs;
    for (int i = 0; i < count; ++i) {
      const Tensor& x = context->input(i);
      jobs.push_back(whole_job(x, {Mode::kPlain, bytes_of(x)}, out + i * kMoments));
    }
    run(context, &jobs);
  }
};

class WeightMomentsOp final : public Reduction {
 public:
  explicit WeightMomentsOp(OpKernelConstruction* context) : Reduction(context) {
    OP_REQUIRES_OK(context, context->GetAttr("grad_of", &grad_of_));
    OP_REQUIRES_OK(context, context->GetAttr("taken", &taken_));
  }

  void Compute(OpKernelContext* context) override {
    OpInputList before, grads, after;
    OP_REQUIRES_OK(context, context->input_list("before", &before));
    OP_REQUIRES_OK(context, context->input_list("grads", &grads));
    OP_REQUIRES_OK(context, context->input_list("after", &after));
    double* out = make_output(context, {before.size(), 3, kMoments});
    if (out == nullptr) return;
    std::fill_n(out, before.size() * 3 * kMoments, std::numeric_limits<double>::quiet_NaN());
    Jobs jobs;
    for (int i = 0; i < before.size(); ++i) {
      OP_REQUIRES(context, before[i].shape() == after[i].shape(), differs("after", i));
      double* rows = out + i * 3 * kMoments;
      Job job{before[i].NumElements()};
      job.give({job.read({Mode::kPlain, bytes_of(before[i])}), rows});
      const bool taken = taken_[i];
      const Read update{taken ? Mode::kSubtraction : Mode::kDifference,
                        bytes_of(taken ? before[i] : after[i]),
                        bytes_of(taken ? after[i] : before[i])};
      job.give({job.read(update), rows + 2 * kMoments});
      jobs.push_back(job);
    }
    for (int k = 0; k < grads.size(); ++k) {
      const int i = grad_of_[k];
      Job& job = jobs[i];
      OP_REQUIRES(context, before[i].shape() == grads[k].shape(), differs("grads", i));
      job.give({job.read({Mode::kPlain, bytes_of(grads[k])}), out + (i * 3 + 1) * kMoments});
    }
    run(context, &jobs);
  }

 private:
  static absl::Status differs(const char* list, int i) {
    return absl::InvalidArgumentError(std::string(list) + " and before differ in shape at weight " +
                                      std::to_string(i));
  }

  std::vector<int> grad_of_;
  std::vector<bool> taken_;
};

class ChannelsOp final : public Reduction {
 public:
  using Reduction::Reduction;
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES(context, x.dims() > 0,
                absl::InvalidArgumentError("a number without axes has no channels"));
    const int64_t channels = x.dim_size(x.dims() - 1);
    const int64_t rows = channels ? x.NumElements() / channels : 0;
    const int64_t in_block = rows_of_block(channels), size = kFigures * channels;
    const int64_t blocks = (rows + in_block - 1) / in_block;
    double* out = make_output(context, {kFigures, channels});
    if (out == nullptr) return;
    std::vector<double> figures(blocks * size);
    const int64_t row_bytes = channels * DataTypeSize(dtype_);
    share(context, blocks, rows * row_bytes, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        functions_->channels(type_of(dtype_), bytes_of(x) + b * in_block * row_bytes,
                             std::min(in_block, rows - b * in_block), channels,
                             figures.data() + b * size);
      }
    });
    const ExactArithmetic guard;
    combine_channels(figures.data(), blocks, size, out);
  }
};

class HistogramOp final : public Reduction {
 public:
  using Reduction::Reduction;
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    double* out = make_output(context, {kBins});
    if (out == nullptr) return;
    const int64_t n = x.NumElements(), chunk = 16 * kBlock, chunks = (n + chunk - 1) / chunk;
    std::vector<int64_t> bins(chunks * kBins);
    share(context, chunks, n * DataTypeSize(dtype_), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        functions_->histogram(type_of(dtype_), bytes_of(x) + c * chunk * DataTypeSize(dtype_),
                              std::min(chunk, n - c * chunk), bins.data() + c * kBins);
      }
    });
    for (int b = 0; b < kBins; ++b) {
      int64_t total = 0;
      for (int64_t c = 0; c < chunks; ++c) total += bins[c * kBins + b];
      out[b] = static_cast<double>(total);
    }
  }
};

// `isa`: auto, or the name of an instruction set; `threads`: the most to use, 0 for all. Neither
// changes a bit of what comes out.
#define OPGRAPH_OP_OF(name, types)  \
  REGISTER_OP(name)                 \
      .Attr("T: " types)            \
      .Attr("isa: string = 'auto'") \
      .Attr("threads: int >= 0 = 0")
#define OPGRAPH_OP(name) OPGRAPH_OP_OF(name, "{float, double, half, bfloat16}")

OPGRAPH_OP("OpgraphMoments").Input("x: T").Output("moments: double").SetShapeFn(
    [](InferenceContext* c) {
      c->set_output(0, c->Vector(kMoments));
      return absl::OkStatus();
    });

OPGRAPH_OP("OpgraphMomentsAndRelu")
    .Input("x: T")
    .Output("moments: double")
    .SetShapeFn([](InferenceContext* c) {
      c->set_output(0, c->Matrix(2, kMoments));
      return absl::OkStatus();
    });

OPGRAPH_OP_OF("OpgraphAffineMoments", "{float, double}")
    .Attr("relu: bool")
    .Input("x: T")
    .Input("scale: T")
    .Input("shift: T")
    .Output("moments: double")
    .SetShapeFn([](InferenceContext* c) {
      bool relu = false;
      TF_RETURN_IF_ERROR(c->GetAttr("relu", &relu));
      c->set_output(0, c->Matrix(relu ? 3 : 2, kMoments));
      return absl::OkStatus();
    });

OPGRAPH_OP("OpgraphGateMoments")
    .Attr("with_gate: bool")
    .Attr("padding: int >= 0")
    .Input("gate: T")
    .Input("grad: T")
    .Output("moments: double")
    .SetShapeFn([](InferenceContext* c) {
      c->set_output(0, c->Matrix(4, kMoments));
      return absl::OkStatus();
    });

OPGRAPH_OP("OpgraphMomentsOfMany")
    .Attr("N: int >= 1")
    .Input("tensors: N * T")
    .Output("moments: double")
    .SetShapeFn([](InferenceContext* c) {
      c->set_output(0, c->Matrix(c->num_inputs(), kMoments));
      return absl::OkStatus();
    });

OPGRAPH_OP("OpgraphWeightMoments")
    .Attr("N: int >= 1")
    .Attr("M: int >= 0")
    .Attr("grad_of: list(int)")
    .Attr("taken: list(bool)")
    .Input("before: N * T")
    .Input("grads: M * T")
    .Input("after: N * T")
    .Output("moments: double")
    .SetShapeFn([](InferenceContext* c) {
      int weights = 0;
      TF_RETURN_IF_ERROR(c->GetAttr("N", &weights));
      c->set_output(0, c->MakeShape({weights, 3, kMoments}));
      return absl::OkStatus();
    });

OPGRAPH_OP("OpgraphChannels").Input("x: T").Output("figures: double").SetShapeFn(
    [](InferenceContext* c) {
      tensorflow::shape_inference::ShapeHandle x;
      TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(0), 1, &x));
      c->set_output(0, c->MakeShape({c->MakeDim(kFigures), c->Dim(x, -1)}));
      return absl::OkStatus();
    });

OPGRAPH_OP("OpgraphHistogram").Input("x: T").Output("bins: double").SetShapeFn(
    [](InferenceContext* c) {
      c->set_output(0, c->Vector(kBins));
      return absl::OkStatus();
    });

#define OPGRAPH_CPU(name, kernel) \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU), kernel)

OPGRAPH_CPU("OpgraphMoments", MomentsOp);
OPGRAPH_CPU("OpgraphMomentsAndRelu", MomentsAndReluOp);
OPGRAPH_CPU("OpgraphAffineMoments", AffineMomentsOp);
OPGRAPH_CPU("OpgraphGateMoments", GateMomentsOp);
OPGRAPH_CPU("OpgraphMomentsOfMany", MomentsOfManyOp);
OPGRAPH_CPU("OpgraphWeightMoments", WeightMomentsOp);
OPGRAPH_CPU("OpgraphChannels", ChannelsOp);
OPGRAPH_CPU("OpgraphHistogram", HistogramOp);

}  // namespace
}  // namespace opgraph
