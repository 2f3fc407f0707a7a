#include "report.h"

#include <algorithm>
#include <ostream>

#include "format.h"

namespace gpu_report {
namespace {

// As few digits as a table needs.
std::string figure(double x) {
  return x == 0       ? "0"
         : x < 0.0005 ? format("%.0e", x)
         : x < 1      ? format("%.3f", x)
         : x < 100    ? format("%.2f", x)
                      : format("%.0f", x);
}
std::string percent(double share) { return share == 0 ? "-" : format("%.1f", 100 * share); }
std::string maybe(int x) { return x < 0 ? "-" : std::to_string(x); }

void write_kernels(std::ostream& out, const Report& report) {
  out << "Kernels, as their PTX is written (registers are the compiler's names, not a "
         "machine's)\n\n";
  out << format("%-14s %-38s %7s %8s %7s %6s %6s %6s %6s %6s\n", "image", "kernel", "threads",
                "instr", "shared", "local", "pred", "b16", "b32", "b64");
  for (const PtxFacts& one : report.kernels) {
    const nampemu_kernel_facts& k = one.kernel;
    out << format("%-14s %-38s %7u %8u %7u %6u %6u %6u %6u %6u\n", one.image.c_str(), k.name,
                  k.threads, k.instructions, k.shared_bytes, k.local_bytes, k.predicates,
                  k.registers16, k.registers32, k.registers64);
  }
}

void write_traffic(std::ostream& out, const Report& report) {
  out << "\nMemory, as executed: bytes of global memory an element; needed: each input read and "
         "each output written "
         "once; banks: turns of shared memory beyond the least, for a warp's accesses whose words "
         "are of one bank\n\n";
  out << format("%-34s %-38s %-9s %7s %7s %7s %6s %6s %6s %7s %7s %7s\n", "call", "kernel", "per",
                "loaded", "stored", "needed", "16 B%", "ld ef%", "st ef%", "shared", "banks",
                "local");
  for (const Measured& m : report.rows) {
    out << format("%-34s %-38s %-9s %7s %7s %7s %6s %6s %6s %7s %7s %7s\n", m.workload.c_str(),
                  m.kernel.c_str(), m.unit.c_str(), figure(m.loaded).c_str(),
                  figure(m.stored + m.atomic).c_str(),
                  m.needed_bytes > 0 ? figure(m.needed_bytes).c_str() : "-",
                  percent(m.wide_share()).c_str(), percent(m.load_efficiency()).c_str(),
                  percent(m.store_efficiency()).c_str(), figure(m.shared).c_str(),
                  figure(m.bank_conflicts).c_str(), figure(m.local).c_str());
  }
}

void write_instructions(std::ostream& out, const Report& report) {
  out << "\nPTX instructions, as executed, an element\n\n";
  out << format("%-34s %-38s %7s %6s %6s %6s %6s %6s %6s %6s %6s %6s %6s\n", "call", "kernel",
                "all", "int", "int64", "float", "double", "cvt", "div", "mov", "mem", "branch",
                "sync");
  for (const Measured& m : report.rows) {
    out << format("%-34s %-38s %7s", m.workload.c_str(), m.kernel.c_str(),
                  figure(m.instructions).c_str());
    for (const double c : m.by_class)
      out << format(" %6s", figure(c).c_str());
    out << "\n";
  }
}

void write_predictions(std::ostream& out, const Report& report) {
  out << format(
      "\nPredicted milliseconds for %.0f elements: memory (needed bytes / published bandwidth: a "
      "floor), and "
      "arithmetic (an estimate\nfrom the instructions above); the larger is the kernel's limit\n\n",
      kPredictedElements);
  out << format("%-34s %-38s", "call", "kernel");
  for (const Gpu& gpu : kGpus)
    out << format(" %19s", gpu.name);
  out << "\n" << format("%-34s %-38s", "", "");
  for (size_t i = 0; i < std::size(kGpus); ++i)
    out << format(" %9s %9s", "memory", "arithm.");
  out << "\n";
  for (const Measured& m : report.rows) {
    if (m.needed_bytes == 0 || m.elements == 1) continue;
    out << format("%-34s %-38s", m.workload.c_str(), m.kernel.c_str());
    for (const Gpu& gpu : kGpus) {
      const double memory = memory_seconds(gpu, m.needed_bytes, kPredictedElements);
      const double arithmetic = arithmetic_seconds(gpu, m, kPredictedElements);
      out << format(" %9.2f %8.2f%s", 1e3 * memory, 1e3 * arithmetic,
                    arithmetic > memory ? "*" : " ");
    }
    out << "\n";
  }
  out << "\n* more than memory takes: arithmetic may be the limit\n";
  for (const Gpu& gpu : kGpus)
    out << gpu.name << ": " << gpu.source << "\n";
}

// One compiler's machine code of one kernel, as columns.
std::string sass_columns(const SassFacts& s, int threads) {
  return format("%5s %6s %5s %7s %5s %7d  %2d/%2d/%2d/%2d/%2d %2d/%2d/%2d/%2d/%2d",
                maybe(s.registers).c_str(),
                maybe(s.spill_stores < 0 ? -1 : s.spill_stores + s.spill_loads).c_str(),
                maybe(s.stack_bytes).c_str(), maybe(s.shared_bytes).c_str(),
                percent(std::max(occupancy(s, threads), 0.0)).c_str(), s.instructions, s.loads[0],
                s.loads[1], s.loads[2], s.loads[3], s.loads[4], s.stores[0], s.stores[1],
                s.stores[2], s.stores[3], s.stores[4]);
}

void write_sass(std::ostream& out, const Report& report) {
  out << "\nMachine code, by NVIDIA's tools, of each compiler's PTX: registers of a thread, "
         "spilled "
         "and stack bytes, static shared bytes of a block,\nthe share of a multiprocessor's "
         "threads "
         "that blocks can fill, instructions in the code, and those of global memory by width in "
         "bytes\n\n";
  for (const MachineCode& code : report.machine_code) {
    for (const std::string& note : code.sass.notes)
      out << code.compiler << ": " << note << "\n";
  }
  out << format("%-38s %-6s %-8s %5s %6s %5s %7s %5s %7s  %-14s %-14s\n", "kernel", "for", "by",
                "regs", "spill", "stack", "shared", "occ%", "instr", "LDG 1/2/4/8/16",
                "STG 1/2/4/8/16");
  for (const PtxFacts& one : report.kernels) {
    for (const std::string& architecture : kArchitectures) {
      for (const MachineCode& code : report.machine_code) {
        const auto found = code.sass.facts.find({architecture, one.kernel.name});
        if (found == code.sass.facts.end()) continue;
        out << format("%-38s %-6s %-8s ", one.kernel.name, architecture.c_str(),
                      code.compiler.c_str())
            << sass_columns(found->second, static_cast<int>(one.kernel.threads)) << "\n";
      }
    }
  }
}

// An element's cost in machine instructions, if the code of a kernel has as many of them for
// each PTX instruction everywhere: executed PTX instructions times that ratio.
void write_machine_instructions(std::ostream& out, const Report& report) {
  const MachineCode* clang = nullptr;
  for (const MachineCode& code : report.machine_code) {
    if (code.compiler == "clang" && !code.sass.facts.empty()) clang = &code;
  }
  if (clang == nullptr) return;
  out << "\nMachine instructions an element, estimated: PTX instructions as executed, times the "
         "ratio of instructions in a kernel's machine code and in its PTX\n\n";
  out << format("%-34s %-38s", "call", "kernel");
  for (const std::string& architecture : kArchitectures)
    out << format(" %7s", architecture.c_str());
  out << "\n";
  for (const Measured& m : report.rows) {
    if (!m.optimizer_path) continue;
    out << format("%-34s %-38s", m.workload.c_str(), m.kernel.c_str());
    for (const std::string& architecture : kArchitectures) {
      const auto found = clang->sass.facts.find({architecture, m.kernel});
      double written = 0;
      for (const PtxFacts& one : report.kernels) {
        if (m.kernel == one.kernel.name) written = one.kernel.instructions;
      }
      const bool known = found != clang->sass.facts.end() && written > 0;
      out << format(
          " %7s",
          known ? figure(m.instructions * found->second.instructions / written).c_str() : "-");
    }
    out << "\n";
  }
}

std::string json(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += format("\\u%04x", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}
std::string json(double x) { return format("%.9g", x); }

// Writes f of each, with commas between.
template <class Range, class F>
void list(std::ostream& out, const Range& range, F f) {
  const char* separator = "";
  out << "[";
  for (const auto& x : range) {
    out << separator << "\n  ";
    f(x);
    separator = ",";
  }
  out << "]";
}

}  // namespace

void add_machine_code(Report& report, const std::string& compiler, SassReport sass) {
  MachineCode* code = nullptr;
  for (MachineCode& one : report.machine_code) {
    if (one.compiler == compiler) code = &one;
  }
  if (code == nullptr) code = &report.machine_code.emplace_back(MachineCode{compiler, {}});
  for (auto& [key, facts] : sass.facts)
    code->sass.facts[key] = std::move(facts);
  for (std::string& note : sass.notes)
    code->sass.notes.push_back(std::move(note));
}

void write_text(std::ostream& out, const Report& report) {
  write_kernels(out, report);
  write_traffic(out, report);
  write_instructions(out, report);
  write_predictions(out, report);
  write_sass(out, report);
  write_machine_instructions(out, report);
}

void write_json(std::ostream& out, const Report& report) {
  static const char* const classes[] = {"integer", "integer64", "float",  "float64", "convert",
                                        "divide",  "move",      "memory", "control", "sync"};
  out << "{\"elements\": " << report.elements << ",\n\"kernels\": ";
  list(out, report.kernels, [&](const PtxFacts& one) {
    const nampemu_kernel_facts& k = one.kernel;
    out << "{\"image\": " << json(one.image) << ", \"kernel\": " << json(std::string(k.name))
        << ", \"threads\": " << k.threads << ", \"ptx_instructions\": " << k.instructions
        << ", \"shared_bytes\": " << k.shared_bytes << ", \"local_bytes\": " << k.local_bytes
        << ", \"predicates\": " << k.predicates << ", \"b16\": " << k.registers16
        << ", \"b32\": " << k.registers32 << ", \"b64\": " << k.registers64 << "}";
  });
  out << ",\n\"executed\": ";
  list(out, report.rows, [&](const Measured& m) {
    out << "{\"call\": " << json(m.workload) << ", \"kernel\": " << json(m.kernel)
        << ", \"per\": " << json(m.unit) << ", \"elements\": " << json(m.elements)
        << ", \"launches\": " << m.launches << ", \"needed_bytes\": " << json(m.needed_bytes)
        << ", \"loaded_bytes\": " << json(m.loaded) << ", \"stored_bytes\": " << json(m.stored)
        << ", \"atomic_bytes\": " << json(m.atomic) << ", \"bytes_by_width\": {";
    for (int w = 0; w < 5; ++w)
      out << (w != 0 ? ", " : "") << "\"" << (1 << w) << "\": " << json(m.by_width[w]);
    out << "}, \"load_efficiency\": " << json(m.load_efficiency())
        << ", \"store_efficiency\": " << json(m.store_efficiency())
        << ", \"shared_bytes\": " << json(m.shared)
        << ", \"bank_conflicts\": " << json(m.bank_conflicts)
        << ", \"local_bytes\": " << json(m.local) << ", \"instructions\": " << json(m.instructions)
        << ", \"instructions_by_class\": {";
    for (size_t k = 0; k < std::size(classes); ++k)
      out << (k != 0 ? ", " : "") << "\"" << classes[k] << "\": " << json(m.by_class[k]);
    out << "}, \"predicted_seconds\": {";
    for (size_t g = 0; g < std::size(kGpus); ++g) {
      out << (g != 0 ? ", " : "") << json(kGpus[g].name)
          << ": {\"memory\": " << json(memory_seconds(kGpus[g], m.needed_bytes, kPredictedElements))
          << ", \"arithmetic\": " << json(arithmetic_seconds(kGpus[g], m, kPredictedElements))
          << "}";
    }
    out << "}}";
  });
  out << ",\n\"gpus\": ";
  list(out, kGpus, [&](const Gpu& g) {
    out << "{\"name\": " << json(g.name) << ", \"bytes_per_second\": " << json(g.bytes_per_second)
        << ", \"source\": " << json(g.source) << "}";
  });
  out << ",\n\"machine_code\": ";
  std::vector<std::pair<std::string, SassFacts>> codes;
  std::vector<std::string> notes;
  for (const MachineCode& code : report.machine_code) {
    for (const auto& [key, facts] : code.sass.facts)
      codes.emplace_back(code.compiler, facts);
    for (const std::string& note : code.sass.notes)
      notes.push_back(code.compiler + ": " + note);
  }
  list(out, codes, [&](const auto& entry) {
    const SassFacts& s = entry.second;
    const auto widths = [&](const int(&n)[5]) {
      return format("{\"1\": %d, \"2\": %d, \"4\": %d, \"8\": %d, \"16\": %d}", n[0], n[1], n[2],
                    n[3], n[4]);
    };
    const auto known = [](int n) { return n < 0 ? std::string("null") : std::to_string(n); };
    out << "{\"compiler\": " << json(entry.first) << ", \"architecture\": " << json(s.architecture)
        << ", \"kernel\": " << json(s.kernel) << ", \"registers\": " << known(s.registers)
        << ", \"spill_stores\": " << known(s.spill_stores)
        << ", \"spill_loads\": " << known(s.spill_loads)
        << ", \"stack_bytes\": " << known(s.stack_bytes)
        << ", \"shared_bytes\": " << known(s.shared_bytes)
        << ", \"local_accesses\": " << s.local_accesses << ", \"instructions\": " << s.instructions
        << ", \"double_instructions\": " << s.doubles
        << ", \"tensor_products\": " << s.tensor_products
        << ", \"async_copies\": " << s.async_copies
        << ", \"absolute_value_bits\": " << s.absolute_bits << ", \"loads\": " << widths(s.loads)
        << ", \"stores\": " << widths(s.stores) << "}";
  });
  out << ",\n\"notes\": ";
  list(out, notes, [&](const std::string& note) { out << json(note); });
  out << "}\n";
}

}  // namespace gpu_report
