// cuLaunchKernel with the checks of its arguments, function attributes and occupancy.
#include "driver/cuda_api.h"

#include <algorithm>
#include <cstring>

#include "driver/function.h"
#include "exec/executor.h"

using namespace nampemu;

namespace nampemu {

uint32_t thread_limit(const Kernel& kernel) {
  const auto& most =
      kernel.required_threads[0] != 0 ? kernel.required_threads : kernel.maximum_threads;
  return most[0] == 0 ? 1024 : std::min(1024U, most[0] * most[1] * most[2]);
}

int register_estimate(const Kernel& kernel) {
  return static_cast<int>(std::min(64U, std::max(16U, kernel.registers)));
}

int blocks_per_multiprocessor(const Settings& settings, const LoadedFunction& function, int threads,
                              size_t dynamic_shared) {
  if (threads <= 0 || threads > static_cast<int>(thread_limit(function.kernel))) return 0;
  const int rounded = (threads + 31) / 32 * 32;
  const int by_threads = (settings.major == 7                          ? 1024
                          : settings.major == 8 && settings.minor != 0 ? 1536
                                                                       : 2048) /
                         rounded;
  const int by_registers = 65536 / (register_estimate(function.kernel) * rounded);
  const size_t shared = function.kernel.shared_bytes + dynamic_shared + 1024;
  const int by_shared = static_cast<int>((settings.shared_optin() + 1024) / shared);
  return std::min({by_threads, by_registers, by_shared, 16});
}

}  // namespace nampemu

namespace {

struct Shape {
  std::array<uint32_t, 3> grid, block;
  uint32_t shared;
};

std::string text_of(const std::array<uint32_t, 3>& v) {
  return "(" + std::to_string(v[0]) + "," + std::to_string(v[1]) + "," + std::to_string(v[2]) + ")";
}

// A device's limits; empty when the shape keeps them.
std::string find_violation(const LoadedFunction& function, const Shape& s) {
  const Kernel& kernel = function.kernel;
  if (s.grid[0] == 0 || s.grid[1] == 0 || s.grid[2] == 0 || s.block[0] == 0 || s.block[1] == 0 ||
      s.block[2] == 0) {
    return "an empty grid or block: " + text_of(s.grid) + " blocks of " + text_of(s.block);
  }
  if (s.grid[0] > 0x7fffffff || s.grid[1] > 65535 || s.grid[2] > 65535) {
    return "a grid of " + text_of(s.grid) + " blocks";
  }
  const uint64_t threads = uint64_t{s.block[0]} * s.block[1] * s.block[2];
  if (s.block[0] > 1024 || s.block[1] > 1024 || s.block[2] > 64 || threads > 1024) {
    return "a block of " + text_of(s.block) + " threads, above 1024";
  }
  if (threads > thread_limit(kernel)) {
    return std::to_string(threads) + " threads where the kernel says at most " +
           std::to_string(thread_limit(kernel)) + " (.maxntid)";
  }
  if (kernel.required_threads[0] != 0 && kernel.required_threads != s.block) {
    return "a block of " + text_of(s.block) + " where the kernel requires " +
           text_of(kernel.required_threads) + " (.reqntid)";
  }
  const uint64_t shared = uint64_t{kernel.shared_bytes} + s.shared;
  if (kernel.shared_bytes > 48 * 1024) {
    return std::to_string(kernel.shared_bytes) + " bytes of static shared memory, above 48 KiB";
  }
  if (shared > std::max(48U * 1024, function.dynamic_shared_limit + kernel.shared_bytes)) {
    return std::to_string(shared) + " bytes of shared memory, of which " +
           std::to_string(s.shared) + " dynamic, above what cuFuncSetAttribute allowed";
  }
  return {};
}

// The parameters' bytes from the array of pointers or from the one buffer.
CUresult collect_parameters(Emulator& e, const Kernel& kernel, void** parameters, void** extra,
                            std::vector<std::byte>& out) {
  out.assign(kernel.parameter_bytes, std::byte{0});
  const auto wrong = [&](const std::string& text) {
    return bad_argument(e, "cuLaunchKernel", "kernel " + kernel.name + ": " + text);
  };
  if (extra != nullptr) {
    if (parameters != nullptr) return wrong("both kernelParams and extra are given");
    const void* buffer = nullptr;
    size_t size = 0;
    bool has_size = false;
    for (size_t k = 0; extra[k] != nullptr; k += 2) {
      const auto key = reinterpret_cast<uintptr_t>(extra[k]);
      if (key == 1) {
        buffer = extra[k + 1];
      } else if (key == 2 && extra[k + 1] != nullptr) {
        size = *static_cast<const size_t*>(extra[k + 1]);
        has_size = true;
      } else {
        return wrong("an extra that isn't known");
      }
    }
    if (buffer == nullptr || !has_size) return wrong("the argument buffer or its size is missing");
    if (size != kernel.parameter_bytes) {
      return wrong("an argument buffer of " + std::to_string(size) +
                   " bytes where the parameters take " + std::to_string(kernel.parameter_bytes));
    }
    std::memcpy(out.data(), buffer, size);
    return CUDA_SUCCESS;
  }
  if (kernel.parameters.empty()) return CUDA_SUCCESS;
  if (parameters == nullptr) return wrong("no arguments");
  for (size_t k = 0; k < kernel.parameters.size(); ++k) {
    if (parameters[k] == nullptr)
      return wrong("argument " + std::to_string(k) + " is a null pointer");
    std::memcpy(out.data() + kernel.parameters[k].offset, parameters[k],
                kernel.parameters[k].bytes);
  }
  return CUDA_SUCCESS;
}

void execute(Emulator& e, Context& context, Launch& run) {
  // Before numbers repeat, all touches are forgotten.
  if (++e.launch_number > kLastLaunch) {
    e.memory().clear_touches();
    e.launch_number = 1;
  }
  run.number = e.launch_number;
  try {
    e.record.is_open() ? e.record.run(run, e.graph()) : run_launch(run);
  } catch (const LaunchFault& fault) {
    // As a device does: the launch has been accepted, what comes after it hears of the fault.
    context.sticky = static_cast<CUresult>(fault.result());
  }
  ++(e.is_in_graph ? e.counters.graph_launches : e.counters.launches);
  ++e.kernels[run.kernel->name].launches;
  add_launch(e.counters, run.counters);
  add_launch(e.kernels[run.kernel->name], run.counters);
}

CUresult launch(Emulator& e, CUfunction handle, const Shape& shape, CUstream stream,
                void** parameters, void** extra) {
  if (const CUresult bad = check_stream(e, "cuLaunchKernel", stream)) return bad;
  LoadedFunction* function = find_function(e, handle);
  if (function == nullptr) return no_function(e, "cuLaunchKernel");
  Context& context = *Emulator::current();
  if (function->module->context != context.id) {
    return bad_argument(e, "cuLaunchKernel", "the function is another context's",
                        CUDA_ERROR_INVALID_HANDLE);
  }
  const std::string violation = find_violation(*function, shape);
  if (!violation.empty()) {
    e.report(NAMPEMU_LAUNCH_LIMIT, function->kernel.name + violation,
             "kernel " + function->kernel.name + ": " + violation);
    return CUDA_ERROR_INVALID_VALUE;
  }
  Launch run;
  if (const CUresult bad =
          collect_parameters(e, function->kernel, parameters, extra, run.parameters)) {
    return bad;
  }
  run.kernel = &function->kernel;
  run.order = e.settings.order;
  run.grid = shape.grid;
  run.block = shape.block;
  run.dynamic_shared = shape.shared;
  run.shared_bytes = function->kernel.shared_bytes + shape.shared;
  run.device = context.device;
  run.multiprocessors = e.settings.multiprocessors;
  run.instruction_limit = e.settings.instructions;
  run.memory = &e.memory();
  run.findings = &e.findings;
  // A graph may outlive the module.
  e.queue.put(stream, [&e, &context, text = function->text, run = std::move(run)]() mutable {
    execute(e, context, run);
  });
  return CUDA_SUCCESS;
}

}  // namespace

NAMPEMU_API CUresult cuLaunchKernel(CUfunction function, unsigned gx, unsigned gy, unsigned gz,
                                    unsigned bx, unsigned by, unsigned bz, unsigned shared,
                                    CUstream stream, void** parameters, void** extra) {
  return api("cuLaunchKernel", Needs::context, [=](Emulator& e) {
    return launch(e, function, {{gx, gy, gz}, {bx, by, bz}, shared}, stream, parameters, extra);
  });
}

// Numbers of CUfunction_attribute.
NAMPEMU_API CUresult cuFuncGetAttribute(int* value, int attribute, CUfunction handle) {
  return api("cuFuncGetAttribute", Needs::context, [=](Emulator& e) {
    const LoadedFunction* function = find_function(e, handle);
    if (function == nullptr) return no_function(e, "cuFuncGetAttribute");
    if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const int compute = e.settings.compute();
    switch (attribute) {
      case 0:
        *value = static_cast<int>(thread_limit(function->kernel));
        break;
      case 1:
        *value = static_cast<int>(function->kernel.shared_bytes);
        break;
      case 2:
        *value = 0;
        break;
      case 3:
        *value = static_cast<int>(function->kernel.local_bytes);
        break;
      case 4:
        *value = register_estimate(function->kernel);
        break;
      case 5:
        *value = function->module->text->target;
        break;
      case 6:
        *value = compute;
        break;
      case 7:
        *value = 0;
        break;
      case 8:
        *value = static_cast<int>(function->dynamic_shared_limit);
        break;
      case 9:
        *value = -1;
        break;
      default:
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuFuncSetAttribute(CUfunction handle, int attribute, int value) {
  return api("cuFuncSetAttribute", Needs::context, [=](Emulator& e) {
    LoadedFunction* function = find_function(e, handle);
    if (function == nullptr) return no_function(e, "cuFuncSetAttribute");
    if (attribute == 9)
      return value >= -1 && value <= 100 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (attribute != 8 || value < 0 ||
        static_cast<uint32_t>(value) + function->kernel.shared_bytes > e.settings.shared_optin()) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    function->dynamic_shared_limit = static_cast<uint32_t>(value);
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuFuncSetCacheConfig(CUfunction handle, int) {
  return api("cuFuncSetCacheConfig", Needs::context, [=](Emulator& e) {
    return find_function(e, handle) == nullptr ? no_function(e, "cuFuncSetCacheConfig")
                                               : CUDA_SUCCESS;
  });
}

namespace {

CUresult occupancy(const char* name, int* blocks, CUfunction handle, int threads, size_t shared) {
  return api(name, Needs::context, [=](Emulator& e) {
    const LoadedFunction* function = find_function(e, handle);
    if (function == nullptr) return no_function(e, name);
    if (blocks == nullptr || threads <= 0) return CUDA_ERROR_INVALID_VALUE;
    *blocks = blocks_per_multiprocessor(e.settings, *function, threads, shared);
    return CUDA_SUCCESS;
  });
}

using SharedOfThreads = size_t (*)(int);

CUresult best_block(const char* name, int* grid, int* block, CUfunction handle,
                    SharedOfThreads of_threads, size_t shared, int limit) {
  return api(name, Needs::context, [=](Emulator& e) {
    const LoadedFunction* function = find_function(e, handle);
    if (function == nullptr) return no_function(e, name);
    if (grid == nullptr || block == nullptr || limit < 0) return CUDA_ERROR_INVALID_VALUE;
    int best = 0;
    int best_threads = 0;
    int most = static_cast<int>(thread_limit(function->kernel));
    if (limit != 0) most = std::min(most, limit);
    for (int threads = most / 32 * 32; threads >= 32; threads -= 32) {
      const size_t bytes = of_threads != nullptr ? of_threads(threads) : shared;
      const int blocks = blocks_per_multiprocessor(e.settings, *function, threads, bytes);
      if (blocks * threads > best * best_threads) {
        best = blocks;
        best_threads = threads;
      }
    }
    *block = best_threads;
    *grid = best * static_cast<int>(e.settings.multiprocessors);
    return CUDA_SUCCESS;
  });
}

}  // namespace

NAMPEMU_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function,
                                                                 int threads, size_t shared) {
  return occupancy("cuOccupancyMaxActiveBlocksPerMultiprocessor", blocks, function, threads,
                   shared);
}
NAMPEMU_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks,
                                                                          CUfunction function,
                                                                          int threads,
                                                                          size_t shared, unsigned) {
  return occupancy("cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags", blocks, function,
                   threads, shared);
}
NAMPEMU_API CUresult cuOccupancyMaxPotentialBlockSize(int* grid, int* block, CUfunction function,
                                                      SharedOfThreads of_threads, size_t shared,
                                                      int limit) {
  return best_block("cuOccupancyMaxPotentialBlockSize", grid, block, function, of_threads, shared,
                    limit);
}
NAMPEMU_API CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int* grid, int* block,
                                                               CUfunction function,
                                                               SharedOfThreads of_threads,
                                                               size_t shared, int limit, unsigned) {
  return best_block("cuOccupancyMaxPotentialBlockSizeWithFlags", grid, block, function, of_threads,
                    shared, limit);
}
