// Modules: PTX text to kernels and variables, with the loader's logs; functions, their attributes
// and parameters.
#include <algorithm>
#include <cstring>

#include "driver/function.h"
#include "ptx/error.h"
#include "ptx/kernels.h"
#include "ptx/parser.h"

using namespace nampemu;

namespace {

uint64_t address_of(const LoadedModule& module, const Initializer& value, int line) {
  const auto found = module.variables.find(value.symbol);
  if (found == module.variables.end()) {
    throw PtxError(line, "the address of '" + value.symbol + "' isn't known here");
  }
  return found->second->base + value.bits;
}

void initialize(const LoadedModule& module, const Variable& v, Region& region) {
  std::byte* to = region.at(region.base);
  std::memset(to, 0, v.bytes());
  std::memset(region.written, 1, v.bytes());
  for (size_t k = 0; k < v.initializers.size(); ++k) {
    const Initializer& value = v.initializers[k];
    uint64_t bits = value.symbol.empty() ? value.bits : address_of(module, value, v.line);
    if (!value.symbol.empty() && v.type.bytes != 8) {
      throw PtxError(v.line, "an address needs 64 bits");
    }
    if (value.kind == Operand::Kind::float64 && v.type.bytes == 4 && v.type.is_float()) {
      double wide = 0;
      std::memcpy(&wide, &bits, 8);
      const auto narrow = static_cast<float>(wide);
      std::memcpy(&bits, &narrow, 4);
    } else if ((value.kind == Operand::Kind::float64 && v.type.bytes != 8) ||
               (value.kind == Operand::Kind::float32 && v.type.bytes != 4)) {
      throw PtxError(v.line, "a float constant of another width");
    }
    std::memcpy(to + k * v.type.bytes, &bits, v.type.bytes);
  }
}

void place_variables(Emulator& e, LoadedModule& module, const Syntax& syntax,
                     std::map<std::string, Symbol>& symbols) {
  uint64_t constants = 0;
  for (const Variable& v : syntax.variables) {
    if (v.space == Space::shared) continue;
    if (v.is_extern || v.unsized) {
      throw PtxError(v.line,
                     "'" + v.name + "' is defined in no module that is loaded with this one");
    }
    if (v.space == Space::local) throw PtxError(v.line, ".local isn't known outside a function");
    if (v.space == Space::constant) constants += v.bytes();
    if (constants > 65536) throw PtxError(v.line, "more than 64 KiB of constants");
    Region* region =
        e.memory().allocate(v.bytes(), Emulator::current()->device, v.space, module.context);
    if (region == nullptr) throw std::bad_alloc();
    region->owned_by_module = true;
    module.variables[v.name] = region;
    symbols[v.name] = {v.space, region->base, v.bytes()};
  }
  for (const Variable& v : syntax.variables) {
    const auto found = module.variables.find(v.name);
    if (found != module.variables.end()) initialize(module, v, *found->second);
  }
}

void release_variables(Emulator& e, LoadedModule& module) {
  for (const auto& [name, region] : module.variables)
    e.memory().release(*region);
  module.variables.clear();
}

// Numbers of CUjit_option.
struct Logs {
  char* information = nullptr;
  size_t information_bytes = 0;
  char* errors = nullptr;
  size_t error_bytes = 0;
};

Logs find_logs(unsigned count, const int* options, void** values) {
  Logs logs;
  for (unsigned k = 0; k < count && options != nullptr && values != nullptr; ++k) {
    switch (options[k]) {
      case 3:
        logs.information = static_cast<char*>(values[k]);
        break;
      case 4:
        logs.information_bytes = reinterpret_cast<uintptr_t>(values[k]) & 0xffffffff;
        break;
      case 5:
        logs.errors = static_cast<char*>(values[k]);
        break;
      case 6:
        logs.error_bytes = reinterpret_cast<uintptr_t>(values[k]) & 0xffffffff;
        break;
      default:
        break;
    }
  }
  return logs;
}

// Leaves the written size in the option that gave the capacity, as a driver does.
void write_log(char* log, size_t bytes, const std::string& text, unsigned count, const int* options,
               void** values, int size_option) {
  size_t length = 0;
  if (log != nullptr && bytes > 0) {
    length = std::min(bytes - 1, text.size());
    std::memcpy(log, text.data(), length);
    log[length] = '\0';
  }
  for (unsigned k = 0; k < count && options != nullptr && values != nullptr; ++k) {
    if (options[k] == size_option) values[k] = reinterpret_cast<void*>(length);
  }
}

std::shared_ptr<const ReadModule> read(Emulator& e, LoadedModule& module, std::string_view text) {
  const Syntax syntax = parse_ptx(text.data());
  auto made = std::make_shared<ReadModule>();
  made->target = syntax.target;
  // A text for a newer device is not looked at: this one does not take it.
  if (syntax.target > e.settings.compute()) return made;
  std::map<std::string, Symbol> symbols;
  place_variables(e, module, syntax, symbols);
  made->kernels = decode_kernels(syntax, symbols);
  if (module.variables.empty()) e.read.emplace(text, made);
  return made;
}

CUresult load(Emulator& e, CUmodule* out, const void* image, unsigned count, const int* options,
              void** values) {
  if (out == nullptr || image == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const Logs logs = find_logs(count, options, values);
  const auto refuse = [&](CUresult result, const std::string& text) {
    write_log(logs.errors, logs.error_bytes, text, count, options, values, 6);
    return result;
  };
  const auto fail = [&](CUresult result, const std::string& text) {
    e.report(NAMPEMU_BAD_PTX, text, text);
    return refuse(result, text);
  };
  const auto* bytes = static_cast<const unsigned char*>(image);
  const bool fatbin = bytes[0] == 0x50 && bytes[1] == 0xed && bytes[2] == 0x55 && bytes[3] == 0xba;
  const bool cubin = bytes[0] == 0x7f && bytes[1] == 'E' && bytes[2] == 'L' && bytes[3] == 'F';
  if (fatbin || cubin) {  // which may well be for another GPU
    return refuse(CUDA_ERROR_NO_BINARY_FOR_GPU,
                  "the emulated GPU takes PTX text, no cubin or fatbin");
  }
  auto module = std::make_unique<LoadedModule>();
  module->context = Emulator::current()->id;
  try {
    const std::string_view text = reinterpret_cast<const char*>(image);
    const auto known = e.read.find(text);
    module->text = known != e.read.end() ? known->second : read(e, *module, text);
    const int compute = e.settings.compute();
    if (module->text->target > compute) {
      release_variables(e, *module);
      return fail(CUDA_ERROR_NO_BINARY_FOR_GPU,
                  "PTX for sm_" + std::to_string(module->text->target) + " on a device of sm_" +
                      std::to_string(compute));
    }
    for (const Kernel& kernel : module->text->kernels) {
      module->functions[kernel.name] =
          std::make_unique<LoadedFunction>(LoadedFunction{module.get(), module->text, kernel});
    }
  } catch (const PtxError& error) {
    release_variables(e, *module);
    return fail(CUDA_ERROR_INVALID_PTX, error.what());
  }
  write_log(logs.information, logs.information_bytes, "", count, options, values, 4);
  write_log(logs.errors, logs.error_bytes, "", count, options, values, 6);
  *out = reinterpret_cast<CUmodule>(module.get());
  LoadedModule* key = module.get();
  e.modules[key] = std::move(module);
  return CUDA_SUCCESS;
}

LoadedModule* unwrap(Emulator& e, CUmodule module) {
  const auto found = e.modules.find(reinterpret_cast<LoadedModule*>(module));
  return found == e.modules.end() ? nullptr : found->second.get();
}

CUresult no_module(Emulator& e, const char* name) {
  return bad_argument(e, name, "the module isn't a live one", CUDA_ERROR_INVALID_HANDLE);
}

}  // namespace

namespace nampemu {

LoadedFunction* find_function(Emulator& e, CUfunction function) {
  for (const auto& [key, module] : e.modules) {
    for (const auto& [name, candidate] : module->functions) {
      if (reinterpret_cast<CUfunction>(candidate.get()) == function) return candidate.get();
    }
  }
  return nullptr;
}

CUresult no_function(Emulator& e, const char* name) {
  return bad_argument(e, name, "the function isn't of a live module", CUDA_ERROR_INVALID_HANDLE);
}

}  // namespace nampemu

NAMPEMU_API CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  return api("cuModuleLoadData", Needs::context,
             [=](Emulator& e) { return load(e, module, image, 0, nullptr, nullptr); });
}
NAMPEMU_API CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned count,
                                        int* options, void** values) {
  return api("cuModuleLoadDataEx", Needs::context,
             [=](Emulator& e) { return load(e, module, image, count, options, values); });
}
NAMPEMU_API CUresult cuModuleLoadFatBinary(CUmodule* module, const void* image) {
  return api("cuModuleLoadFatBinary", Needs::context,
             [=](Emulator& e) { return load(e, module, image, 0, nullptr, nullptr); });
}
NAMPEMU_API CUresult cuModuleUnload(CUmodule module) {
  return api("cuModuleUnload", Needs::context, [=](Emulator& e) {
    LoadedModule* found = unwrap(e, module);
    if (found == nullptr) return no_module(e, "cuModuleUnload");
    e.queue.finish_all();
    release_variables(e, *found);
    e.modules.erase(found);
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  return api("cuModuleGetFunction", Needs::context, [=](Emulator& e) {
    if (function == nullptr || name == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const LoadedModule* found = unwrap(e, module);
    if (found == nullptr) return no_module(e, "cuModuleGetFunction");
    const auto named = found->functions.find(name);
    if (named == found->functions.end()) return CUDA_ERROR_NOT_FOUND;
    *function = reinterpret_cast<CUfunction>(named->second.get());
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuModuleGetGlobal_v2(CUdeviceptr* address, size_t* bytes, CUmodule module,
                                          const char* name) {
  return api("cuModuleGetGlobal", Needs::context, [=](Emulator& e) {
    if (name == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const LoadedModule* found = unwrap(e, module);
    if (found == nullptr) return no_module(e, "cuModuleGetGlobal");
    const auto named = found->variables.find(name);
    if (named == found->variables.end()) return CUDA_ERROR_NOT_FOUND;
    if (address != nullptr) *address = named->second->base;
    if (bytes != nullptr) *bytes = named->second->size;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuModuleGetLoadingMode(int* mode) {
  return api("cuModuleGetLoadingMode", Needs::driver, [=](Emulator&) {
    if (mode == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *mode = 1;  // eager
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuFuncGetModule(CUmodule* module, CUfunction function) {
  return api("cuFuncGetModule", Needs::context, [=](Emulator& e) {
    const LoadedFunction* found = find_function(e, function);
    if (module == nullptr || found == nullptr) return no_function(e, "cuFuncGetModule");
    *module = reinterpret_cast<CUmodule>(found->module);
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t* offset,
                                        size_t* bytes) {
  return api("cuFuncGetParamInfo", Needs::context, [=](Emulator& e) {
    const LoadedFunction* found = find_function(e, function);
    if (found == nullptr) return no_function(e, "cuFuncGetParamInfo");
    if (offset == nullptr || index >= found->kernel.parameters.size())
      return CUDA_ERROR_INVALID_VALUE;
    *offset = found->kernel.parameters[index].offset;
    if (bytes != nullptr) *bytes = found->kernel.parameters[index].bytes;
    return CUDA_SUCCESS;
  });
}
