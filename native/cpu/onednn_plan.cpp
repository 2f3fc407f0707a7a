#include "cpu/onednn_plan.h"

#include <string>
#include <vector>

#include "cpu/team_float_mode.h"

namespace namp::onednn {
namespace {

constexpr int64_t kAlignment = 64;

// Arguments of a reorder.
constexpr int kFrom = kSourceArgument;
constexpr int kTo = kDestinationArgument;

}  // namespace

PrimitivePlan::PrimitivePlan(const OneDnn& library, const Object& description, int threads,
                             double work)
    : library_(library),
      primitive_(library.primitive(description)),
      threads_(threads),
      work_(work),
      scratchpad_(library.memory_of(description, kScratchpadMd)),
      scratchpad_offset_(place(scratchpad_)) {}

void PrimitivePlan::take(Part part, int argument, const Desc& given, const Desc& wanted) {
  add(part, argument, false, given, wanted);
}

void PrimitivePlan::give(Part part, int argument, const Desc& given, const Desc& wanted) {
  add(part, argument, true, given, wanted);
}

void PrimitivePlan::add(Part part, int argument, bool output, const Desc& given,
                        const Desc& wanted) {
  Argument& added = arguments_[part];
  added.argument = argument;
  added.output = output;
  added.given = given;
  added.wanted = wanted;
  if (library_.equal(given, wanted)) return;
  added.offset = place(wanted);
  const Object description =
      output ? library_.reorder(wanted, given) : library_.reorder(given, wanted);
  added.reorder = library_.primitive(description);
}

int64_t PrimitivePlan::place(const Desc& desc) {
  const int64_t offset = bytes_;
  bytes_ += (library_.bytes(desc) + kAlignment - 1) / kAlignment * kAlignment;
  return offset;
}

void PrimitivePlan::reorder(const Argument& argument, const Object& stream, const Object& from,
                            const Object& to) const {
  library_.execute(argument.reorder, stream, {{kFrom, from.get()}, {kTo, to.get()}});
}

void PrimitivePlan::run(const PlanTensors& tensors, void* scratch) const {
  const ThreadLimit limit(library_.openmp(), threads_);
  const TeamFloatMode mode(library_.openmp(), threads_, work_);
  // A case that available did not predict is an error, not an endless wait.
  if (mode.size() < threads_) {
    throw Error(NAMP_ERROR_DEVICE, "OpenMP gave " + std::to_string(mode.size()) + " of " +
                                       std::to_string(threads_) +
                                       " threads for a matrix product or convolution; open the "
                                       "device with no more than it gives.");
  }
  const Object stream = library_.stream();
  auto* bytes = static_cast<char*>(scratch);
  const std::array<const void*, kPartCount> pointers{tensors.source, tensors.weights, tensors.bias,
                                                     tensors.destination};
  std::vector<ExecuteArgument> arguments;
  std::array<Object, kPartCount> given;
  std::array<Object, kPartCount> wanted;
  for (int part = 0; part < kPartCount; ++part) {
    const Argument& argument = arguments_[part];
    if (argument.argument == 0) continue;
    // oneDNN has one type for inputs and outputs.
    given[part] = library_.memory(argument.given, const_cast<void*>(pointers[part]));
    wanted[part] = argument.offset < 0 ? given[part]
                                       : library_.memory(argument.wanted, bytes + argument.offset);
    if (argument.offset >= 0 && !argument.output)
      reorder(argument, stream, given[part], wanted[part]);
    arguments.push_back({argument.argument, wanted[part].get()});
  }
  const Object scratchpad = library_.memory(scratchpad_, bytes + scratchpad_offset_);
  arguments.push_back({kScratchpadArgument, scratchpad.get()});
  library_.execute(primitive_, stream, arguments);
  for (int part = 0; part < kPartCount; ++part) {
    const Argument& argument = arguments_[part];
    if (argument.offset >= 0 && argument.output)
      reorder(argument, stream, wanted[part], given[part]);
  }
  library_.wait(stream);
}

}  // namespace namp::onednn
