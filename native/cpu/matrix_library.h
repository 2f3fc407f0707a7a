// The library of matrix products and convolutions beneath the CPU backend: oneDNN where the build
// found it. What it cannot do, and everything without it, is done by our own loops (block_gemm.h,
// convolution_loops.h).
#pragma once

#include <cstdint>
#include <memory>

#include "nativeamp.h"

namespace namp {

// The tensors of a product or convolution by their part in it; in a backward pass source, weights
// and destination may be gradients.
struct PlanTensors {
  const void* source;
  const void* weights;
  const void* bias;  // null where the plan has none
  const void* destination;
};

// An operation of fixed shapes, dtypes and layouts, ready to run.
class MatrixPlan {
 public:
  virtual ~MatrixPlan() = default;

  // Scratch memory that run needs, aligned to 64 bytes.
  virtual int64_t scratch_bytes() const = 0;
  virtual void run(const PlanTensors& tensors, void* scratch) const = 0;
};

using PlanPointer = std::shared_ptr<const MatrixPlan>;

// Which way a convolution is computed.
enum class ConvolutionPass { kForward, kBackwardData, kBackwardWeights };

class MatrixLibrary {
 public:
  MatrixLibrary();
  ~MatrixLibrary();
  MatrixLibrary(const MatrixLibrary&) = delete;
  MatrixLibrary& operator=(const MatrixLibrary&) = delete;

  // Null for what the library cannot do; float16 always is. Plans are kept by shape.
  PlanPointer gemm(const namp_gemm_args& args, int threads);
  PlanPointer conv2d(const namp_conv2d_args& args, ConvolutionPass pass, int threads);

 private:
  struct Implementation;
  std::unique_ptr<Implementation>
      implementation_;  // null without oneDNN, or where NATIVEAMP_ONEDNN=0 in the environment
};

}  // namespace namp
