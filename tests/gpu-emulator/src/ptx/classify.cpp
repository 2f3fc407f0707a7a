#include "ptx/classify.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace nampemu {
namespace {

// Opcodes whose class does not depend on a type.
const std::map<std::string_view, nampemu_class>& classes_by_opcode() {
  static const std::map<std::string_view, nampemu_class> all = [] {
    std::map<std::string_view, nampemu_class> classes;
    const auto add = [&](nampemu_class c, std::initializer_list<std::string_view> opcodes) {
      for (const std::string_view opcode : opcodes)
        classes[opcode] = c;
    };
    add(NAMPEMU_CONVERT, {"cvt"});
    add(NAMPEMU_DIVIDE, {"div", "rem", "sqrt", "rcp", "rsqrt", "ex2", "lg2", "sin", "cos", "tanh"});
    add(NAMPEMU_MOVE, {"mov", "cvta", "isspacep"});
    add(NAMPEMU_MEMORY, {"ld", "ldu", "st", "atom", "red", "prefetch", "ldmatrix", "cp"});
    add(NAMPEMU_CONTROL, {"bra", "brx", "call", "ret", "exit", "trap", "brkpt", "nanosleep"});
    add(NAMPEMU_SYNC, {"bar", "barrier", "membar", "fence", "shfl", "vote", "match", "redux",
                       "activemask", "elect", "movmatrix"});
    return classes;
  }();
  return all;
}

}  // namespace

nampemu_class classify(const Statement& s) {
  const auto found = classes_by_opcode().find(s.opcode);
  if (found != classes_by_opcode().end()) {
    const bool is_parameter =
        s.opcode == "ld" && std::any_of(s.modifiers.begin(), s.modifiers.end(),
                                        [](const auto& m) { return m.rfind("param", 0) == 0; });
    return is_parameter ? NAMPEMU_MOVE : found->second;
  }
  // The last type counts: setp.lt.f32 compares floats, mul.wide.u32 multiplies words.
  Type type;
  for (auto m = s.modifiers.rbegin(); m != s.modifiers.rend(); ++m) {
    if (!parse_type(*m, type)) continue;
    const bool wide = type.bytes == 8;
    // Selections and logic move bits, whatever they mean.
    if (type.is_float() && s.opcode != "selp") return wide ? NAMPEMU_FLOAT64 : NAMPEMU_FLOAT;
    return wide ? NAMPEMU_INTEGER64 : NAMPEMU_INTEGER;
  }
  return NAMPEMU_INTEGER;
}

}  // namespace nampemu
