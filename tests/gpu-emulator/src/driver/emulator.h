// The state behind the driver API: one for the process, under one lock.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "device/counters.h"
#include "device/findings.h"
#include "device/memory.h"
#include "driver/cuda_api.h"
#include "driver/queue.h"
#include "driver/record.h"
#include "exec/executor.h"
#include "exec/instruction.h"

namespace nampemu {

struct Settings {
  int devices = 1;
  uint64_t memory = uint64_t{8} << 30;
  uint32_t multiprocessors = 4;
  int major = 8, minor = 0;
  uint64_t instructions = 2'000'000'000;
  RunOrder order;
  bool quiet = false;
  int compute() const { return major * 10 + minor; }  // 75 for 7.5
  // The largest shared memory a block may ask for.
  uint32_t shared_optin() const;
};

struct Context {
  int device = 0;
  uint64_t id = 0;
  int references = 0;  // of a primary context
  bool primary = true;
  bool alive = false;
  CUresult sticky = CUDA_SUCCESS;  // after a fault nothing works any more
};

// The kernels of a text. They hold no address, unless the text has variables, so that a text that is
// loaded again need not be read again.
struct ReadModule {
  int target = 0;  // 75 for sm_75
  std::vector<Kernel> kernels;
};

struct LoadedFunction {
  struct LoadedModule* module;
  std::shared_ptr<const ReadModule> text;
  const Kernel& kernel;  // of text
  uint32_t dynamic_shared_limit = 48 * 1024;
};

struct LoadedModule {
  uint64_t context = 0;
  std::map<std::string, std::unique_ptr<LoadedFunction>> functions;
  std::map<std::string, Region*> variables;
  std::shared_ptr<const ReadModule> text;
};

struct Event {
  uint64_t context = 0;
  bool timing = true;
  bool recorded = false;
  Stream::Place place;    // of the last record
  CapturePlace captured;  // of that, if its stream was captured
  std::chrono::steady_clock::time_point time;
};

struct Graph {
  uint64_t context = 0;
  std::shared_ptr<const GraphNodes> nodes;
};

struct GraphExecutable {
  uint64_t context = 0;
  std::shared_ptr<const GraphNodes> nodes;
  Stream::Place last;  // of its last launch
};

struct Pool {
  int device = 0;
  uint64_t release_threshold = 0;
};

class Emulator {
 public:
  static Emulator& get();

  std::recursive_mutex mutex;
  Settings settings;
  bool initialized = false;
  Findings findings;
  nampemu_counters counters{};
  std::map<std::string, nampemu_counters> kernels;
  std::map<std::string, uint64_t> calls;
  struct Failure {
    uint64_t at = 0;  // counts down
    int32_t result = 0;
  };
  std::multimap<std::string, Failure> failures;
  std::vector<std::unique_ptr<Context>> contexts;  // by device, then created ones; never moved
  std::map<LoadedModule*, std::unique_ptr<LoadedModule>> modules;
  std::map<std::string, std::shared_ptr<const ReadModule>, std::less<>> read;  // by text
  Queue queue;
  std::map<Event*, std::unique_ptr<Event>> events;
  std::map<Graph*, std::unique_ptr<Graph>> graphs;
  std::map<GraphExecutable*, std::unique_ptr<GraphExecutable>> executables;
  bool is_in_graph = false;                  // while a graph's nodes are done
  uint64_t graph_number = 0;                 // of the last launch of a graph, from 1
  std::vector<std::unique_ptr<Pool>> pools;  // by device
  std::map<uint64_t, uint64_t> host_memory;  // pinned: registered by the caller, base to size
  uint64_t launch_number = 0;
  Record record;

  Memory& memory();
  // Counts the call; the result that an injected failure asks for.
  CUresult enter(const std::string& name);
  void report(nampemu_kind kind, const std::string& place, const std::string& text) {
    findings.add(kind, place, text);
  }
  // The thread's current context; null for none.
  static Context* current();
  static std::vector<Context*>& stack();
  void destroy_context(Context& context);
  bool valid(const Context* context) const;
  // The launch of a graph that is under way; 0: none.
  uint64_t graph() const { return is_in_graph ? graph_number : 0; }

 private:
  Emulator();
  std::unique_ptr<Memory> memory_;
};

enum class Needs : uint8_t { nothing, driver, context };

// What is wrong with the current context; a finding where it is none or is gone.
CUresult check_current(Emulator& emulator, const char* name);

// Every function of the API: counted, failed when a test asks for it, locked, and nothing thrown
// gets out.
template <class F>
CUresult api(const char* name, Needs needs, F f) noexcept {
  try {
    Emulator& emulator = Emulator::get();
    const std::lock_guard lock(emulator.mutex);
    if (const CUresult injected = emulator.enter(name)) return injected;
    if (needs != Needs::nothing && !emulator.initialized) return CUDA_ERROR_NOT_INITIALIZED;
    if (needs == Needs::context) {
      if (const CUresult bad = check_current(emulator, name)) return bad;
    }
    return f(emulator);
  } catch (const std::bad_alloc&) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (...) {
    return CUDA_ERROR_UNKNOWN;
  }
}

// A stream that a call names: null, the two special ones, or a live one of the current context.
CUresult check_stream(Emulator& emulator, const char* name, CUstream stream);
// A finding for a bad argument, and the result to return.
CUresult bad_argument(Emulator& emulator, const char* name, const std::string& text,
                      CUresult result = CUDA_ERROR_INVALID_VALUE);

}  // namespace nampemu

#define NAMPEMU_API extern "C" __attribute__((visibility("default")))
