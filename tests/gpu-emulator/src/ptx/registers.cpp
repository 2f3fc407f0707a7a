#include "ptx/registers.h"

#include <algorithm>
#include <bit>
#include <map>
#include <queue>

#include "ptx/decoder.h"

namespace nampemu {
namespace {

constexpr uint32_t kAlignment = 64;

struct BasicBlock {
  uint32_t begin = 0, end = 0;  // instructions
  std::vector<uint32_t> next;   // blocks that may follow
};

// Instructions in which a register may hold a value that is still read, first and last included.
struct Interval {
  uint32_t first = kNone;
  uint32_t last = 0;
  bool shares = true;
  void add(uint32_t instruction) {
    first = std::min(first, instruction);
    last = std::max(last, instruction);
  }
};

class Placer {
 public:
  Placer(Kernel& kernel, const std::vector<AddedRegister>& registers,
         const std::vector<RegisterUse>& uses, const std::vector<uint32_t>& regions)
      : kernel_(kernel), registers_(registers), intervals_(registers.size()), regions_(regions) {
    for (const RegisterUse& use : uses)
      add_use(use.instruction, use.offset, use.writes);
    for (uint32_t at = 0; at < kernel.code.size(); ++at) {
      if (kernel.code[at].guard != kNone) add_use(at, kernel.code[at].guard, false);
    }
    std::sort(uses_.begin(), uses_.end(), [](const Use& a, const Use& b) {
      return a.instruction != b.instruction ? a.instruction < b.instruction : a.writes < b.writes;
    });
  }

  uint32_t run() {
    find_blocks();
    find_those_of_several_blocks();
    find_live();
    for (const Use& use : uses_)
      intervals_[use.which].add(use.instruction);
    keep_those_of_several_functions();
    return place();
  }

 private:
  struct Use {
    uint32_t instruction = 0;
    uint32_t which = 0;  // of registers_
    bool writes = false;
  };
  using Bits = std::vector<uint64_t>;

  void add_use(uint32_t instruction, uint32_t offset, bool writes) {
    // Constants and special registers are no registers.
    if ((offset & kConstantTag) != 0 || offset < kSpecialBytes) return;
    uses_.push_back({instruction, index_of(offset), writes});
  }

  uint32_t index_of(uint32_t offset) const {
    const auto found =
        std::lower_bound(registers_.begin(), registers_.end(), offset,
                         [](const AddedRegister& r, uint32_t wanted) { return r.offset < wanted; });
    return static_cast<uint32_t>(found - registers_.begin());
  }

  // Whether lanes go on elsewhere. A call comes back.
  static bool leaves(const Instruction& i) {
    return i.flow == Flow::branch || i.flow == Flow::branch_indexed || i.flow == Flow::ret ||
           i.flow == Flow::exit || i.flow == Flow::trap;
  }

  void find_blocks() {
    const std::vector<Instruction>& code = kernel_.code;
    std::vector<bool> begins(code.size() + 1);
    begins[0] = begins[code.size()] = true;
    for (const uint32_t region : regions_)
      begins[region] = true;
    const auto targets = [&](const Instruction& i, auto f) {
      if (i.flow == Flow::branch) f(i.target);
      if (i.flow == Flow::branch_indexed) {
        for (const uint32_t target : kernel_.branch_tables[i.target])
          f(target);
      }
    };
    for (uint32_t at = 0; at < code.size(); ++at) {
      targets(code[at], [&](uint32_t target) { begins[target] = true; });
      if (leaves(code[at])) begins[at + 1] = true;
    }
    block_of_.resize(code.size() + 1);
    for (uint32_t at = 0; at < code.size(); ++at) {
      if (begins[at]) blocks_.push_back({at, at, {}});
      block_of_[at] = static_cast<uint32_t>(blocks_.size() - 1);
      blocks_.back().end = at + 1;
    }
    for (BasicBlock& block : blocks_) {
      const Instruction& last = code[block.end - 1];
      targets(last, [&](uint32_t target) { block.next.push_back(block_of_[target]); });
      if ((!leaves(last) || last.guard != kNone) && block.end < code.size())
        block.next.push_back(block_of_[block.end]);
    }
  }

  // Whether all lanes that execute an instruction get its result.
  bool kills(const Use& use) const {
    return use.writes && kernel_.code[use.instruction].guard == kNone;
  }

  // A register that is written and read in one block alone is in use from there to there. The others, few, are numbered.
  void find_those_of_several_blocks() {
    numbers_.assign(registers_.size(), kNone);
    std::vector<uint32_t> home(registers_.size(), kNone);
    for (const Use& use : uses_) {
      uint32_t& block = home[use.which];
      const bool is_first = block == kNone;
      if (is_first) block = block_of_[use.instruction];
      if ((is_first && !kills(use)) || block != block_of_[use.instruction]) number(use.which);
    }
  }
  void number(uint32_t which) {
    if (numbers_[which] != kNone) return;
    numbers_[which] = static_cast<uint32_t>(numbered_.size());
    numbered_.push_back(which);
  }

  // Backwards through the blocks, until nothing changes.
  void find_live() {
    const size_t words = (numbered_.size() + 63) / 64;
    std::vector<Bits> reads(blocks_.size(), Bits(words)), written(reads), in(reads), out(reads);
    for (const Use& use : uses_) {
      const uint32_t n = numbers_[use.which];
      if (n == kNone) continue;
      const uint32_t b = block_of_[use.instruction];
      const uint64_t bit = uint64_t{1} << (n % 64);
      // A write under a guard reads too: lanes without the guard keep the value that was there.
      if (kills(use)) {
        written[b][n / 64] |= bit;
      } else if ((written[b][n / 64] & bit) == 0) {
        reads[b][n / 64] |= bit;
      }
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t b = blocks_.size(); b-- > 0;) {
        for (const uint32_t next : blocks_[b].next) {
          for (size_t w = 0; w < words; ++w)
            out[b][w] |= in[next][w];
        }
        for (size_t w = 0; w < words; ++w) {
          const uint64_t live = reads[b][w] | (out[b][w] & ~written[b][w]);
          changed = changed || live != in[b][w];
          in[b][w] = live;
        }
      }
    }
    for (size_t b = 0; b < blocks_.size(); ++b) {
      each(in[b], [&](Interval& interval) { interval.add(blocks_[b].begin); });
      each(out[b], [&](Interval& interval) { interval.add(blocks_[b].end - 1); });
    }
    // Read before it is written, on some way from where a function begins.
    for (const uint32_t region : regions_)
      each(in[block_of_[region]], [](Interval& interval) { interval.shares = false; });
  }
  template <class F>
  void each(const Bits& bits, F f) {
    for (size_t w = 0; w < bits.size(); ++w) {
      for (uint64_t rest = bits[w]; rest != 0; rest &= rest - 1)
        f(intervals_[numbered_[w * 64 + static_cast<size_t>(std::countr_zero(rest))]]);
    }
  }

  void keep_those_of_several_functions() {
    const auto region_of = [&](uint32_t instruction) {
      return std::upper_bound(regions_.begin(), regions_.end(), instruction);
    };
    for (Interval& interval : intervals_) {
      if (interval.first != kNone && region_of(interval.first) != region_of(interval.last))
        interval.shares = false;
    }
  }

  uint32_t place() {
    std::vector<uint32_t> order;
    for (uint32_t which = 0; which < registers_.size(); ++which) {
      if (intervals_[which].first != kNone) order.push_back(which);
    }
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return intervals_[a].first < intervals_[b].first;
    });
    std::vector<uint32_t> places(registers_.size(), kNone);
    uint32_t end = kSpecialBytes;
    struct Busy {
      uint32_t last, place;
      bool operator>(const Busy& other) const { return last > other.last; }
    };
    struct OfOneSize {
      std::priority_queue<Busy, std::vector<Busy>, std::greater<>> busy;
      std::vector<uint32_t> free;
    };
    // Nothing is shared between functions: a caller's registers outlive what it calls.
    std::map<uint32_t, OfOneSize> sizes;
    auto region = regions_.begin();
    const auto add = [&](uint32_t bytes) {
      const uint32_t place = end;
      end += (bytes + kAlignment - 1) & ~(kAlignment - 1);
      return place;
    };
    for (const uint32_t which : order) {
      const Interval& interval = intervals_[which];
      const uint32_t bytes = registers_[which].bytes;
      for (; region != regions_.end() && *region <= interval.first; ++region)
        sizes.clear();
      if (!interval.shares) {
        places[which] = add(bytes);
        continue;
      }
      auto& [busy, free] = sizes[bytes];
      for (; !busy.empty() && busy.top().last < interval.first; busy.pop())
        free.push_back(busy.top().place);
      if (free.empty()) free.push_back(add(bytes));
      places[which] = free.back();
      free.pop_back();
      busy.push({interval.last, places[which]});
    }
    const auto move = [&](uint32_t& offset) {
      if ((offset & kConstantTag) != 0 || offset < kSpecialBytes) return;
      const uint32_t which = index_of(offset);
      if (places[which] == kNone) places[which] = add(registers_[which].bytes);
      offset = places[which];
    };
    for (std::vector<Instruction>* all : {&kernel_.code, &kernel_.seconds}) {
      for (Instruction& i : *all) {
        move(i.guard);
        for (uint32_t& r : i.r)
          move(r);
      }
    }
    move(kernel_.carry);
    return end - kSpecialBytes;
  }

  Kernel& kernel_;
  const std::vector<AddedRegister>& registers_;
  std::vector<Interval> intervals_;
  const std::vector<uint32_t>& regions_;
  std::vector<Use> uses_;
  std::vector<BasicBlock> blocks_;
  std::vector<uint32_t> block_of_;  // of an instruction
  std::vector<uint32_t> numbers_, numbered_;
};

}  // namespace

uint32_t place_registers(Kernel& kernel, const std::vector<AddedRegister>& registers,
                         const std::vector<RegisterUse>& uses,
                         const std::vector<uint32_t>& regions) {
  return Placer(kernel, registers, uses, regions).run();
}

}  // namespace nampemu
