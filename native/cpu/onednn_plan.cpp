#include "cpu/onednn_plan.h"

#if NATIVEAMP_ONEDNN

#include <string>

#include <omp.h>

#include "cpu/team_float_mode.h"
#include "error.h"

namespace namp::onednn {
namespace {

constexpr int64_t kAlignment = 64;

}  // namespace

ThreadLimit::ThreadLimit(int threads)
    : before_(omp_get_max_threads()), dynamic_before_(omp_get_dynamic()) {
  if (dynamic_before_ != 0) omp_set_dynamic(0);
  omp_set_num_threads(threads);
}

ThreadLimit::~ThreadLimit() {
  omp_set_num_threads(before_);
  if (dynamic_before_ != 0) omp_set_dynamic(1);
}

PrimitivePlan::PrimitivePlan(const dnnl::engine& engine, dnnl::primitive primitive,
                             const Desc& scratchpad, int threads, double work)
    : engine_(engine),
      primitive_(std::move(primitive)),
      threads_(threads),
      work_(work),
      scratchpad_(scratchpad),
      scratchpad_offset_(place(scratchpad)) {}

void PrimitivePlan::take(Part part, int id, const Desc& given, const Desc& wanted) {
  add(part, id, false, given, wanted);
}

void PrimitivePlan::give(Part part, int id, const Desc& given, const Desc& wanted) {
  add(part, id, true, given, wanted);
}

void PrimitivePlan::add(Part part, int id, bool output, const Desc& given, const Desc& wanted) {
  Argument& argument = arguments_[part];
  argument.id = id;
  argument.output = output;
  argument.given = given;
  argument.wanted = wanted;
  if (given == wanted) return;
  argument.offset = place(wanted);
  const Desc& from = output ? wanted : given;
  const Desc& to = output ? given : wanted;
  argument.reorder = dnnl::reorder(dnnl::reorder::primitive_desc(engine_, from, engine_, to));
}

int64_t PrimitivePlan::place(const Desc& desc) {
  const int64_t offset = bytes_;
  bytes_ += (static_cast<int64_t>(desc.get_size()) + kAlignment - 1) / kAlignment * kAlignment;
  return offset;
}

void PrimitivePlan::run(const PlanTensors& tensors, void* scratch) const {
  const ThreadLimit limit(threads_);
  const TeamFloatMode mode(threads_, work_);
  // A case that available_threads did not predict is an error, not an endless wait.
  if (mode.size() < threads_) {
    throw Error(NAMP_ERROR_DEVICE, "OpenMP gave " + std::to_string(mode.size()) + " of " +
                                       std::to_string(threads_) +
                                       " threads for a matrix product or convolution; open the "
                                       "device with no more than it gives.");
  }
  dnnl::stream stream(engine_);
  auto* bytes = static_cast<char*>(scratch);
  const std::array<const void*, kPartCount> pointers{tensors.source, tensors.weights, tensors.bias,
                                                     tensors.destination};
  std::unordered_map<int, dnnl::memory> primitive_arguments;
  std::array<dnnl::memory, kPartCount> given;
  for (int part = 0; part < kPartCount; ++part) {
    const Argument& argument = arguments_[part];
    if (argument.id == 0) continue;
    // oneDNN has one type for inputs and outputs.
    given[part] = dnnl::memory(argument.given, engine_, const_cast<void*>(pointers[part]));
    if (argument.offset < 0) {
      primitive_arguments.emplace(argument.id, given[part]);
      continue;
    }
    dnnl::memory wanted(argument.wanted, engine_, bytes + argument.offset);
    if (!argument.output) argument.reorder.execute(stream, given[part], wanted);
    primitive_arguments.emplace(argument.id, wanted);
  }
  primitive_arguments.emplace(DNNL_ARG_SCRATCHPAD,
                              dnnl::memory(scratchpad_, engine_, bytes + scratchpad_offset_));
  primitive_.execute(stream, primitive_arguments);
  for (int part = 0; part < kPartCount; ++part) {
    const Argument& argument = arguments_[part];
    if (argument.offset < 0 || !argument.output) continue;
    argument.reorder.execute(stream, primitive_arguments.at(argument.id), given[part]);
  }
  stream.wait();
}

}  // namespace namp::onednn

#endif  // NATIVEAMP_ONEDNN
