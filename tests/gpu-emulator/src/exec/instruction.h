// A decoded program: what the parser's names become before anything runs. No strings, no searches:
// every operand is an offset into a warp's register file, in which constants and special registers
// have places of their own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ptx/syntax.h"

namespace nampemu {

inline constexpr uint32_t kLanes = 32;
inline constexpr uint32_t kAllLanes = ~0U;
inline constexpr uint32_t kNone = ~0U;

struct Warp;
struct Instruction;

// Does an instruction for the lanes whose bits are set.
using Execute = void (*)(Warp& warp, const Instruction& instruction, uint32_t lanes);

enum class Flow : uint8_t {
  next,
  branch,
  branch_indexed,
  call,
  ret,
  exit,
  trap,
  barrier,    // waits for other warps of the block
  warp_sync,  // waits for other lanes of the warp
};

struct Instruction {
  Execute execute = nullptr;
  Flow flow = Flow::next;
  bool guard_negated = false;
  uint8_t option = 0;        // a mode; what it means is the family's own
  uint8_t width = 0;         // memory: bytes of one value
  uint8_t count = 1;         // memory: values of a vector
  uint8_t kind = 0;          // nampemu_class, for the counters
  Space space = Space::reg;  // memory
  uint16_t flags = 0;        // the family's own
  uint32_t guard = kNone;    // offset of a predicate
  // Offsets of registers: destinations first as the family says; none is kNone.
  std::array<uint32_t, 8> r = {kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone};
  int64_t immediate = 0;
  uint32_t target = 0;  // branch, call
  uint32_t slot = 0;    // memory: where the last region found is kept
  uint32_t second = 0;  // of the kernel's seconds, where one instruction does not hold all operands
  uint32_t line = 0;
};

// Per-warp values at fixed places, at the front of the register file.
enum class Special : uint32_t {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid,
  warpid,
  nwarpid,
  smid,
  nsmid,
  gridid,
  mask_eq,
  mask_le,
  mask_lt,
  mask_ge,
  mask_gt,
  total_smem,
  dynamic_smem,
  warp_size,
  count_
};
constexpr uint32_t special_offset(Special s) { return static_cast<uint32_t>(s) * kLanes * 4; }
inline constexpr uint32_t kSpecialBytes = static_cast<uint32_t>(Special::count_) * kLanes * 4;

struct Parameter {
  uint32_t offset = 0;
  uint32_t bytes = 0;
};

// An entry with all that it calls.
struct Kernel {
  std::string name;
  std::vector<Instruction> code;
  std::vector<Instruction> seconds;  // never executed: the rest of what some instructions name
  uint32_t entry = 0;                // where it begins
  std::vector<Parameter> parameters;
  uint32_t parameter_bytes = 0;
  // Constants, already repeated for every lane: they follow the registers.
  uint32_t constants_at = 0;
  std::vector<std::byte> constants;
  uint32_t register_bytes = 0;  // of a warp's whole register file
  uint32_t registers =
      0;  // declared 32-bit registers a thread, an upper bound of what a device would use
  uint32_t shared_bytes = 0;  // static
  uint32_t local_bytes = 0;   // a thread
  uint32_t memory_slots = 0;
  uint32_t carry = 0;  // offset of the carry flag
  std::array<uint32_t, 3> required_threads{};
  std::array<uint32_t, 3> maximum_threads{};
  std::vector<std::vector<uint32_t>> branch_tables;
  bool uses_dynamic_shared = false;
};

}  // namespace nampemu
