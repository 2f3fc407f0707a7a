// nampemu.h: what a kernel's text says.
#include <algorithm>
#include <cstring>

#include "driver/range.h"
#include "nampemu.h"
#include "ptx/kernels.h"
#include "ptx/parser.h"

using namespace nampemu;

namespace {

void count_registers(const Function& function, nampemu_kernel_facts& facts) {
  for (const Variable& v : function.variables) {
    if (v.space != Space::reg) continue;
    ++(v.type.kind == Type::Kind::predicate ? facts.predicates
       : v.type.bytes == 8                  ? facts.registers64
       : v.type.bytes == 4                  ? facts.registers32
                                            : facts.registers16);
  }
}

nampemu_kernel_facts facts_of(const Kernel& kernel, const Syntax& syntax) {
  nampemu_kernel_facts facts{};
  std::strncpy(facts.name, kernel.name.c_str(), sizeof facts.name - 1);
  facts.threads = kernel.maximum_threads[0];
  facts.shared_bytes = kernel.shared_bytes;
  facts.local_bytes = kernel.local_bytes;
  for (const Function& function : syntax.functions) {
    if (function.name != kernel.name) continue;
    facts.instructions =
        static_cast<uint32_t>(std::count_if(function.body.begin(), function.body.end(),
                                            [](const Statement& s) { return s.label.empty(); }));
    count_registers(function, facts);
  }
  return facts;
}

}  // namespace

NAMPEMU_API size_t nampemu_read_kernels(const char* ptx, nampemu_kernel_facts* facts,
                                        size_t capacity) {
  try {
    const Syntax syntax = parse_ptx(ptx);
    std::map<std::string, Symbol> globals;
    for (const Variable& v : syntax.variables) {
      // Nothing is run, so any address will do.
      if (v.space != Space::shared) globals[v.name] = {v.space, 0, v.bytes()};
    }
    const std::vector<Kernel> kernels = decode_kernels(syntax, globals);
    for (size_t i = 0; i < std::min(capacity, kernels.size()); ++i)
      facts[i] = facts_of(kernels[i], syntax);
    return kernels.size();
  } catch (const PtxError& error) {
    nampemu_report(NAMPEMU_BAD_PTX, error.what());
    return 0;
  }
}
