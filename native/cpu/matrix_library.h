// The library of matrix products and convolutions for the CPU backend: oneDNN, found at run time.
// Our own loops (block_gemm.h, convolution_loops.h) do the rest, and everything without it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cpu/openmp.h"
#include "nativeamp.h"

namespace namp {

// The tensors of a product or convolution by their role. In a backward pass source, weights and
// destination may be gradients.
struct PlanTensors {
  const void* source;
  const void* weights;
  const void* bias;  // null if the plan has none
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

// The direction of a convolution.
enum class ConvolutionPass { kForward, kBackwardData, kBackwardWeights };

class MatrixLibrary {
 public:
  MatrixLibrary();
  ~MatrixLibrary();
  MatrixLibrary(const MatrixLibrary&) = delete;
  MatrixLibrary& operator=(const MatrixLibrary&) = delete;

  // Null if the library does not support it, as with float16. It runs on as many threads of the
  // number wanted as its OpenMP has. Plans are kept by shape and threads.
  PlanPointer gemm(const namp_gemm_args& args, int wanted);
  PlanPointer conv2d(const namp_conv2d_args& args, ConvolutionPass pass, int wanted);

  // The one that it works with; null where there is no library.
  const OpenMp* openmp() const;

  // "oneDNN 2.6.3", or why there is none; and what was there and did not work.
  const std::string& description() const { return description_; }

 private:
  struct Implementation;
  std::unique_ptr<Implementation>
      implementation_;  // null without oneDNN, or with NATIVEAMP_ONEDNN=0 in the environment
  std::string description_;
};

}  // namespace namp
