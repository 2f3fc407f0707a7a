// A oneDNN primitive that runs on plain row-major tensors, with reorders into and out of the
// layouts that it prefers, and scratch memory for those and for itself.
#pragma once

#include <array>

#include "cpu/matrix_library.h"
#include "cpu/onednn.h"

namespace namp::onednn {

// The parts of PlanTensors.
enum Part { kSource, kWeights, kBias, kDestination, kPartCount };

class PrimitivePlan final : public MatrixPlan {
 public:
  // work is the number of multiplications of a run. The library outlives the plan.
  PrimitivePlan(const OneDnn& library, const Object& description, int threads, double work);

  // Adds a tensor as an argument of the primitive; given is its layout in memory, wanted the
  // primitive's. take is for an input, give for a result.
  void take(Part part, int argument, const Desc& given, const Desc& wanted);
  void give(Part part, int argument, const Desc& given, const Desc& wanted);

  int64_t scratch_bytes() const override { return bytes_; }
  void run(const PlanTensors& tensors, void* scratch) const override;

 private:
  struct Argument {
    int argument = 0;
    bool output = false;
    Desc given;
    Desc wanted;
    int64_t offset = -1;  // in scratch, of the reordered tensor; -1 if no reorder is needed
    Object reorder;
  };

  void add(Part part, int argument, bool output, const Desc& given, const Desc& wanted);
  int64_t place(const Desc& desc);
  void reorder(const Argument& argument, const Object& stream, const Object& from,
               const Object& to) const;

  const OneDnn& library_;
  Object primitive_;
  int threads_;
  double work_;
  std::array<Argument, kPartCount> arguments_;
  int64_t bytes_ = 0;  // bytes placed so far
  Desc scratchpad_;
  int64_t scratchpad_offset_ = 0;
};

}  // namespace namp::onednn
