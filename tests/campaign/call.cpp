#include "call.h"

#include <algorithm>

namespace namp_campaign {

void* Call::block(size_t bytes) {
  // Exactly the requested bytes lie between AddressSanitizer's redzones; without it our own guards
  // are used.
  Block made{std::make_unique<uint8_t[]>(bytes + 2 * guard()), bytes, {}};
  std::memset(made.memory.get(), 0xA5, bytes + 2 * guard());
  void* data = made.memory.get() + guard();
  blocks_.push_back(std::move(made));
  return data;
}

void* Call::elements(int32_t dtype, int64_t count) {
  const auto size = static_cast<size_t>(element_size(dtype));
  auto* data = static_cast<uint8_t*>(block(static_cast<size_t>(count) * size));
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t drawn = random.next();
    uint32_t bits = static_cast<uint32_t>(drawn);
    if (drawn >> 60 != 0) {
      const uint32_t sign = bits & 1;
      if (dtype == NAMP_INT32) bits = static_cast<uint32_t>((bits >> 8) % 12) - (bits >> 30 == 0);
      if (dtype == NAMP_UINT8) bits %= 9;
      if (dtype == NAMP_FLOAT32) bits = sign << 31 | (0x3e000000u + (bits >> 7) % 0x02800000u);
      if (dtype == NAMP_BFLOAT16) bits = sign << 15 | (0x3e00u + (bits >> 7) % 0x0280u);
      if (dtype == NAMP_FLOAT16) bits = sign << 15 | (0x3000u + (bits >> 7) % 0x1400u);
    }
    std::memcpy(data + static_cast<size_t>(i) * size, &bits, size);
  }
  return data;
}

bool Call::guards_hold() const {
  const auto intact = [](uint8_t byte) { return byte == 0xA5; };
  return std::all_of(blocks_.begin(), blocks_.end(), [&](const Block& block) {
    const uint8_t* end = block.memory.get() + guard() + block.bytes;
    return std::all_of(block.memory.get(), block.memory.get() + guard(), intact) &&
           std::all_of(end, end + guard(), intact);
  });
}

bool Call::unchanged() const {
  return std::all_of(blocks_.begin(), blocks_.end(), [](const Block& block) {
    return std::equal(block.before.begin(), block.before.end(), block.memory.get() + guard());
  });
}

std::string Call::run(int fault_count) {
  bool must_fail = false;
  for (int i = 0; i < fault_count; ++i) {
    const auto which = static_cast<size_t>(random.below(static_cast<int64_t>(faults_.size())));
    must_fail = faults_[which]() || must_fail;
  }
  for (Block& block : blocks_) {
    const uint8_t* data = block.memory.get() + guard();
    block.before.assign(data, data + block.bytes);
  }
  status = invoke();
  std::string broken;
  if (!guards_hold()) broken = "wrote outside of its memory";
  if (status == NAMP_OK) {
    if (must_fail) broken = "succeeded with arguments that are wrong";
  } else {
    if (fault_count == 0 && !may_fail) broken = "was refused though it is valid";
    if (status == NAMP_ERROR_INTERNAL) broken = "failed by a defect";
    if (std::string(namp_last_error_message()).empty()) broken = "failed without a message";
    if (!unchanged()) broken = "failed and changed something";
  }
  for (const auto& cleanup : cleanups_)
    cleanup();
  return broken;
}

}  // namespace namp_campaign
