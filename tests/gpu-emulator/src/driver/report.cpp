// nampemu.h: what tests ask.
#include <dlfcn.h>

#include <algorithm>
#include <cstring>

#include "driver/range.h"
#include "nampemu.h"

using namespace nampemu;

namespace {

template <class F>
auto locked(F f) {
  Emulator& e = Emulator::get();
  const std::lock_guard lock(e.mutex);
  return f(e);
}

// A test's look at what has happened: all that was asked for is done first, in its order.
template <class F>
auto looked(F f) {
  return locked([&](Emulator& e) {
    e.queue.finish_all();
    return f(e);
  });
}

void copy_out(const nampemu_counters& from, nampemu_counters* to, size_t size) {
  if (to != nullptr) std::memcpy(to, &from, std::min(size, sizeof from));
}

bool contains(const std::string& name, const char* part) {
  return part == nullptr || name.find(part) != std::string::npos;
}

void clear_counters(Emulator& e) {
  e.counters = {};
  e.kernels.clear();
  e.calls.clear();
}

// Whether a driver function is exported, with or without _v2; cuBLAS's are taken on trust.
bool is_known(const std::string& function) {
  if (function.rfind("cublas", 0) == 0) return true;
  Dl_info info{};
  if (function.rfind("cu", 0) != 0 || dladdr(reinterpret_cast<void*>(&nampemu_fail), &info) == 0)
    return false;
  void* self = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  if (self == nullptr) return false;
  const bool found = dlsym(self, function.c_str()) != nullptr ||
                     dlsym(self, (function + "_v2").c_str()) != nullptr;
  dlclose(self);
  return found;
}

}  // namespace

NAMPEMU_API size_t nampemu_findings() {
  return looked([](Emulator& e) { return e.findings.size(); });
}
NAMPEMU_API size_t nampemu_findings_of(nampemu_kind kind) {
  return looked([=](Emulator& e) { return e.findings.size(kind); });
}
NAMPEMU_API const char* nampemu_finding_text(size_t index) {
  const Finding* finding = Emulator::get().findings.get(index);
  return finding == nullptr ? nullptr : finding->text.c_str();
}
NAMPEMU_API nampemu_kind nampemu_finding_kind(size_t index) {
  const Finding* finding = Emulator::get().findings.get(index);
  return finding == nullptr ? NAMPEMU_KINDS : finding->kind;
}
NAMPEMU_API uint64_t nampemu_finding_count(size_t index) {
  const Finding* finding = Emulator::get().findings.get(index);
  return finding == nullptr ? 0 : finding->count;
}

NAMPEMU_API void nampemu_reset() {
  looked([](Emulator& e) {
    e.findings.reset();
    clear_counters(e);
    e.failures.clear();
    for (const auto& context : e.contexts)
      context->sticky = CUDA_SUCCESS;
  });
}
NAMPEMU_API void nampemu_reset_findings() {
  looked([](Emulator& e) { e.findings.reset(); });
}
NAMPEMU_API void nampemu_reset_counters() { looked(clear_counters); }

NAMPEMU_API void nampemu_get_counters(nampemu_counters* counters, size_t size) {
  looked([=](Emulator& e) { copy_out(e.counters, counters, size); });
}
NAMPEMU_API uint64_t nampemu_launches_of(const char* part) {
  return looked([=](Emulator& e) {
    uint64_t count = 0;
    for (const auto& [name, totals] : e.kernels)
      count += contains(name, part) ? totals.launches : 0;
    return count;
  });
}
NAMPEMU_API void nampemu_get_kernel_counters(const char* part, nampemu_counters* counters,
                                             size_t size) {
  looked([=](Emulator& e) {
    nampemu_counters sum{};
    for (const auto& [name, totals] : e.kernels) {
      if (!contains(name, part)) continue;
      LaunchCounters one;
      one.thread_instructions = totals.thread_instructions;
      one.warp_instructions = totals.warp_instructions;
      one.global = totals.global;
      one.shared = totals.shared;
      one.local = totals.local;
      one.constant_loaded = totals.constant_loaded;
      std::copy_n(totals.instructions, NAMPEMU_CLASSES, one.instructions);
      one.sectors_loaded = totals.sectors_loaded;
      one.sectors_stored = totals.sectors_stored;
      one.bank_conflicts = totals.bank_conflicts;
      add_launch(sum, one);
      sum.launches += totals.launches;
    }
    copy_out(sum, counters, size);
  });
}
NAMPEMU_API uint64_t nampemu_calls_of(const char* function) {
  return locked([=](Emulator& e) {
    const auto found = function == nullptr ? e.calls.end() : e.calls.find(function);
    return found == e.calls.end() ? uint64_t{0} : found->second;
  });
}
NAMPEMU_API const char* nampemu_called_function(size_t index) {
  return locked([=](Emulator& e) -> const char* {
    if (index >= e.calls.size()) return nullptr;
    return std::next(e.calls.begin(), static_cast<ptrdiff_t>(index))->first.c_str();
  });
}

NAMPEMU_API size_t nampemu_live_allocations() {
  return looked([](Emulator& e) { return e.memory().live_count(); });
}
NAMPEMU_API uint64_t nampemu_live_bytes() {
  return looked([](Emulator& e) {
    uint64_t sum = 0;
    e.memory().each([&](const Region& region) {
      if (region.alive && region.device >= 0 && !region.owned_by_module) sum += region.size;
    });
    return sum;
  });
}
NAMPEMU_API size_t nampemu_live_modules() {
  return locked([](Emulator& e) { return e.modules.size(); });
}
NAMPEMU_API size_t nampemu_live_streams() {
  return locked([](Emulator& e) { return e.queue.live(); });
}
NAMPEMU_API size_t nampemu_live_events() {
  return locked([](Emulator& e) { return e.events.size(); });
}

NAMPEMU_API size_t nampemu_live_graphs() {
  return locked([](Emulator& e) { return e.graphs.size() + e.executables.size(); });
}

NAMPEMU_API int nampemu_fail(const char* function, uint64_t nth, int32_t result) {
  if (function == nullptr || nth == 0 || !is_known(function)) return 1;
  locked([=](Emulator& e) { e.failures.insert({function, {nth, result}}); });
  return 0;
}
NAMPEMU_API void nampemu_fail_none() {
  locked([](Emulator& e) { e.failures.clear(); });
}

NAMPEMU_API uint64_t nampemu_set_seed(uint64_t seed) {
  return locked([=](Emulator& e) { return std::exchange(e.settings.order.seed, seed); });
}

NAMPEMU_API int nampemu_record(const char* file, uint32_t sampled_blocks) {
  return looked([=](Emulator& e) { return e.record.open(file, sampled_blocks) ? 0 : 1; });
}
NAMPEMU_API void nampemu_record_note(const char* kind, const char* name, double operations,
                                     double bytes) {
  looked([=](Emulator& e) {
    if (!e.record.is_open()) return;
    e.record.write(kind, name, 0,
                   {{"operations", static_cast<uint64_t>(operations)},
                    {"bytes", static_cast<uint64_t>(bytes)}});
  });
}
NAMPEMU_API int nampemu_record_product(const nampemu_product* product) {
  return locked([=](Emulator& e) {
    if (!e.record.is_open()) return 0;
    const nampemu_product& p = *product;
    e.record.write("product", "", e.graph(),
                   {{"m", p.m},
                    {"n", p.n},
                    {"k", p.k},
                    {"batch", p.batch},
                    {"operand_bytes", p.operand_bytes},
                    {"result_bytes", p.result_bytes},
                    {"reads_result", p.reads_result},
                    {"bias", p.bias},
                    {"sums", p.sums},
                    {"kept", p.kept}});
    return e.record.sampled_blocks() != 0 ? 1 : 0;
  });
}

NAMPEMU_API int nampemu_set_compute(int compute) {
  return locked([=](Emulator& e) {
    const int before = e.settings.compute();
    e.settings.major = compute / 10;
    e.settings.minor = compute % 10;
    return before;
  });
}

NAMPEMU_API void nampemu_forget_writes(uint64_t address, uint64_t bytes) {
  looked([=](Emulator& e) {
    const Region* region = find_range(e, address, bytes);
    if (region != nullptr && region->written != nullptr) {
      std::memset(region->written + (address - region->base), 0, bytes);
    }
  });
}
NAMPEMU_API int nampemu_peek(uint64_t address, uint64_t bytes, void* to) {
  return looked([=](Emulator& e) {
    const Region* region = find_range(e, address, bytes);
    if (region == nullptr) return 1;
    std::memcpy(to, region->at(address), bytes);
    return 0;
  });
}
NAMPEMU_API void* nampemu_storage(uint64_t address) {
  return locked([=](Emulator& e) -> void* {
    const Region* region = find_range(e, address, 1);
    return region == nullptr ? nullptr : region->at(address);
  });
}
NAMPEMU_API int nampemu_check_read(uint64_t address, uint64_t bytes, const char* who) {
  return locked([=](Emulator& e) {
    if (bytes == 0) return 1;
    const Region* region = check_range(e, who, address, bytes, "read");
    if (region == nullptr) return 0;
    report_unwritten(e, who, *region, address, bytes);
    return 1;
  });
}
NAMPEMU_API int nampemu_check_write(uint64_t address, uint64_t bytes, const char* who) {
  return locked([=](Emulator& e) {
    if (bytes == 0) return 1;
    const Region* region = check_range(e, who, address, bytes, "write");
    if (region == nullptr) return 0;
    if (region->written != nullptr)
      std::memset(region->written + (address - region->base), 1, bytes);
    return 1;
  });
}
NAMPEMU_API int nampemu_check_context(const char* who) {
  return locked([=](Emulator& e) {
    const Context* context = Emulator::current();
    if (context != nullptr && context->alive) return 1;
    e.report(NAMPEMU_NO_CONTEXT, who, std::string(who) + " without a current context");
    return 0;
  });
}
NAMPEMU_API int32_t nampemu_enter(const char* function) {
  return locked([=](Emulator& e) { return static_cast<int32_t>(e.enter(function)); });
}
NAMPEMU_API int32_t nampemu_put(void* stream, void (*work)(void*), void* data,
                                void (*release)(void*)) {
  return locked([=](Emulator& e) {
    const std::shared_ptr<void> owned(data, release);
    if (const CUresult failed = Emulator::current()->sticky) return static_cast<int32_t>(failed);
    const auto handle = static_cast<CUstream>(stream);
    if (const CUresult bad = check_stream(e, "nampemu_put", handle))
      return static_cast<int32_t>(bad);
    e.queue.put(handle, [work, owned] { work(owned.get()); });
    return int32_t{CUDA_SUCCESS};
  });
}
NAMPEMU_API void nampemu_count_gemm(int own_workspace) {
  locked([=](Emulator& e) {
    ++e.counters.gemms;
    if (own_workspace != 0) ++e.counters.gemms_in_own_workspace;
  });
}
NAMPEMU_API void nampemu_report(nampemu_kind kind, const char* text) {
  if (text != nullptr && kind < NAMPEMU_KINDS) Emulator::get().findings.add(kind, text, text);
}
