// The OpenMP that oneDNN works with. It comes with oneDNN, or with something else of the process, and
// is asked by its functions' names.
#pragma once

#include <cstdint>
#include <string>

#if defined(__linux__)
#include <sched.h>
#endif

#include "libraries/dynamic_library.h"

namespace namp {

// While it lives, oneDNN may be opened. Where no OpenMP is there yet, GNU's will spin for a short time
// only (GOMP_SPINCOUNT, unless the environment says it, or OMP_WAIT_POLICY). And this thread stays
// on its processors, also where OpenMP binds the thread that loads it to one (OMP_PROC_BIND).
class OpenMpOpening {
 public:
  OpenMpOpening();
  ~OpenMpOpening();
  OpenMpOpening(const OpenMpOpening&) = delete;
  OpenMpOpening& operator=(const OpenMpOpening&) = delete;

#if defined(__linux__)
 private:
  cpu_set_t processors_;
  bool known_;
#endif
};

class OpenMp {
 public:
  // The one that a library's calls reach. Says why there is none that does; "" where there is.
  std::string bind(const DynamicLibrary& library);

  // The number of threads that a region of this thread gets now, of the number wanted. It is smaller
  // under OMP_THREAD_LIMIT or OMP_MAX_ACTIVE_LEVELS. It is one within a parallel region of the
  // caller, where the number left is unknown, and in a forked child, whose threads stayed with its
  // parent.
  int32_t available(int32_t wanted) const noexcept;

  // Calls body(context) on each thread of a region of this many. False, and nothing done, where this
  // OpenMP has not GNU's entry, which LLVM's and Intel's have too.
  bool run(int threads, void (*body)(void*), void* context) const;

  // Calls body(context, worker) once for each worker below count on the threads of a region, in the
  // default floating-point mode. False, and nothing done, where a region of this thread has not that
  // many. body must not throw.
  bool run_workers(int count, void (*body)(void*, int), void* context) const;

  int thread() const { return get_thread_num_(); }
  int region_size() const { return get_num_threads_(); }

  // Whether code other than oneDNN may have work for these threads, too.
  bool is_shared() const;

 private:
  friend class ThreadLimit;

  int (*get_max_threads_)() = nullptr;
  void (*set_num_threads_)(int) = nullptr;
  int (*get_dynamic_)() = nullptr;
  void (*set_dynamic_)(int) = nullptr;
  int (*in_parallel_)() = nullptr;
  int (*get_max_active_levels_)() = nullptr;
  int (*get_thread_limit_)() = nullptr;
  int (*get_thread_num_)() = nullptr;
  int (*get_num_threads_)() = nullptr;
  void (*parallel_)(void (*)(void*), void*, unsigned, unsigned) = nullptr;
};

// While it lives, oneDNN uses this many threads. oneDNN asks OpenMP for the number when a primitive
// is created and when it runs. Some primitives wait for every thread, so that a region must not get
// fewer (OMP_DYNAMIC). threads is the result of available.
class ThreadLimit {
 public:
  ThreadLimit(const OpenMp& openmp, int threads);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  const OpenMp& openmp_;
  int before_;
  int dynamic_before_;
};

}  // namespace namp
