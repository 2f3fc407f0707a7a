#include "cpu/openmp.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <type_traits>

#include "float_mode.h"
#include "forked.h"

namespace namp {
namespace {

// Of GNU, LLVM, Intel and Microsoft.
#if defined(_WIN32)
constexpr const char* kLibraries[] = {"libgomp-1.dll", "libomp.dll", "libomp140.x86_64.dll",
                                      "libiomp5md.dll", "vcomp140.dll"};
#else
constexpr const char* kLibraries[] = {"libgomp.so.1", "libomp.so.5", "libomp.so", "libiomp5.so"};
#endif

constexpr const char* kSetNumThreads = "omp_set_num_threads";

DynamicLibrary loaded() {
  std::string answer;
  for (const char* name : kLibraries) {
    const DynamicLibrary library(name, DynamicLibrary::How::kIfLoaded, answer);
    if (library.symbol(kSetNumThreads) != nullptr) return library;
  }
  return {};
}

// Set by the first search of the process.
enum class Origin { kUnknown, kOneDnn, kOthers };
constinit std::atomic<Origin> origin{Origin::kUnknown};

}  // namespace

OpenMpOpening::OpenMpOpening() {
#if defined(__linux__)
  known_ = sched_getaffinity(0, sizeof(processors_), &processors_) == 0;
#endif
  if (origin.load() != Origin::kUnknown) return;
  const bool is_there =
      DynamicLibrary::symbol_of_process(kSetNumThreads) != nullptr || loaded().is_open();
  origin = is_there ? Origin::kOthers : Origin::kOneDnn;
#if !defined(_WIN32)
  // Longer spinning keeps a processor from those who have work (docs/performance.md, "On a shared
  // machine").
  if (!is_there && std::getenv("OMP_WAIT_POLICY") == nullptr) setenv("GOMP_SPINCOUNT", "3000", 0);
#endif
}

OpenMpOpening::~OpenMpOpening() {
#if defined(__linux__)
  if (known_) sched_setaffinity(0, sizeof(processors_), &processors_);
#endif
}

std::string OpenMp::bind(const DynamicLibrary& library) {
  // As the loader resolves the library's own calls: what all of the process sees comes first. On
  // Windows a library does not show those that it needs.
  const bool of_process = DynamicLibrary::symbol_of_process(kSetNumThreads) != nullptr;
  const bool of_library = !of_process && library.symbol(kSetNumThreads) != nullptr;
  const DynamicLibrary other = of_process || of_library ? DynamicLibrary() : loaded();
  const auto find = [&](auto& pointer, const char* name) {
    void* symbol = of_process   ? DynamicLibrary::symbol_of_process(name)
                   : of_library ? library.symbol(name)
                                : other.symbol(name);
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(symbol);
    return symbol != nullptr;
  };
  find(parallel_, "GOMP_parallel");
  const bool complete =
      find(get_max_threads_, "omp_get_max_threads") && find(set_num_threads_, kSetNumThreads) &&
      find(get_dynamic_, "omp_get_dynamic") && find(set_dynamic_, "omp_set_dynamic") &&
      find(in_parallel_, "omp_in_parallel") && find(get_thread_num_, "omp_get_thread_num") &&
      find(get_num_threads_, "omp_get_num_threads");
  if (!complete) return "the functions of its OpenMP were not found";
  // Of OpenMP 3.0, which Microsoft's is older than.
  find(get_max_active_levels_, "omp_get_max_active_levels");
  find(get_thread_limit_, "omp_get_thread_limit");
  // LLVM's OpenMP registers handlers of forks when it starts, which take locks that a call needs to
  // finish. The handler that is registered last runs first: ours has to wait for calls before that.
  void (*llvm)() = nullptr;
  if (find(llvm, "__kmpc_fork_call")) {
    get_max_threads_();
    watch_forks();
  }
  return "";
}

int32_t OpenMp::available(int32_t wanted) const noexcept {
  if (wanted <= 1 || is_forked() || in_parallel_() != 0) return 1;
  if (get_max_active_levels_ != nullptr && get_max_active_levels_() < 1) return 1;
  if (get_thread_limit_ == nullptr) return wanted;
  return std::min(wanted, std::max(1, get_thread_limit_()));
}

bool OpenMp::run(int threads, void (*body)(void*), void* context) const {
  if (parallel_ == nullptr) return false;
  parallel_(body, context, static_cast<unsigned>(threads), 0);
  return true;
}

bool OpenMp::run_workers(int count, void (*body)(void*, int), void* context) const {
  if (available(count) < count) return false;
  struct Call {
    const OpenMp& openmp;
    int count;
    void (*body)(void*, int);
    void* context;
    std::atomic<bool> met_other_mode;
  } call{*this, count, body, context, false};
  const auto work = [](void* of) {
    auto& one = *static_cast<Call*>(of);
    if (!FloatControl::is_default(FloatControl::read()))
      one.met_other_mode.store(true, std::memory_order_relaxed);
    const FloatMode mode;
    // A region may be smaller than asked for (OMP_DYNAMIC).
    for (int worker = one.openmp.thread(); worker < one.count; worker += one.openmp.region_size())
      one.body(one.context, worker);
  };
  if (!run(count, work, &call)) return false;
  if (call.met_other_mode) met_other_mode = true;
  return true;
}

bool OpenMp::is_shared() const { return origin.load() == Origin::kOthers; }

ThreadLimit::ThreadLimit(const OpenMp& openmp, int threads)
    : openmp_(openmp), before_(openmp.get_max_threads_()), dynamic_before_(openmp.get_dynamic_()) {
  if (dynamic_before_ != 0) openmp_.set_dynamic_(0);
  openmp_.set_num_threads_(threads);
}

ThreadLimit::~ThreadLimit() {
  openmp_.set_num_threads_(before_);
  if (dynamic_before_ != 0) openmp_.set_dynamic_(1);
}

}  // namespace namp
