// A oneDNN primitive that runs on plain row-major tensors, with reorders into and out of the
// layouts that it prefers, and scratch memory for those and for itself.
#pragma once

#include "cpu/onednn.h"

#if NATIVEAMP_ONEDNN

#include <array>
#include <unordered_map>
#include <utility>

#include "cpu/matrix_library.h"

namespace namp::onednn {

// The parts of PlanTensors.
enum Part { kSource, kWeights, kBias, kDestination, kPartCount };

class PrimitivePlan final : public MatrixPlan {
 public:
  // work is the number of multiplications of a run.
  PrimitivePlan(const dnnl::engine& engine, dnnl::primitive primitive, const Desc& scratchpad,
                int threads, double work);

  // Adds a tensor as argument id of the primitive; given is its layout in memory, wanted the
  // primitive's. part_output is a result.
  void take(Part part, int id, const Desc& given, const Desc& wanted);
  void give(Part part, int id, const Desc& given, const Desc& wanted);

  int64_t scratch_bytes() const override { return bytes_; }
  void run(const PlanTensors& tensors, void* scratch) const override;

 private:
  struct Argument {
    int id = 0;
    bool output = false;
    Desc given;
    Desc wanted;
    int64_t offset = -1;  // in scratch, of the reordered tensor; -1 if no reorder is needed
    dnnl::reorder reorder;
  };

  void add(Part part, int id, bool output, const Desc& given, const Desc& wanted);
  int64_t place(const Desc& desc);

  dnnl::engine engine_;
  dnnl::primitive primitive_;
  int threads_;
  double work_;
  std::array<Argument, kPartCount> arguments_;
  int64_t bytes_ = 0;  // bytes placed so far
  Desc scratchpad_;
  int64_t scratchpad_offset_ = 0;
};

// While it lives, oneDNN uses this many threads. oneDNN asks OpenMP for the number when a primitive
// is created and when it runs. Some primitives wait for every thread, so that a region must not get
// fewer (OMP_DYNAMIC). threads is the result of available_threads.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
  int dynamic_before_;
};

}  // namespace namp::onednn

#endif  // NATIVEAMP_ONEDNN
