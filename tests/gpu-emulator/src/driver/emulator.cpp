#include "driver/emulator.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace nampemu {
namespace {

uint64_t read_number(const char* name, uint64_t fallback, uint64_t most) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return fallback;
  char* end = nullptr;
  const uint64_t value = std::strtoull(text, &end, 10);
  return end != nullptr && *end == '\0' ? std::min(value, most) : fallback;
}

}  // namespace

uint32_t Settings::shared_optin() const {
  if (major >= 9) return 227 * 1024;
  if (major == 8) return minor == 0 ? 163 * 1024 : 99 * 1024;
  return 64 * 1024;
}

Emulator& Emulator::get() {
  // Never destroyed: managed hosts call in until the very end of the process.
  static Emulator* const emulator = new Emulator();
  return *emulator;
}

Emulator::Emulator() {
  settings.devices = static_cast<int>(read_number("NAMPEMU_DEVICES", 1, 16));
  settings.memory = read_number("NAMPEMU_MEMORY", settings.memory, uint64_t{1} << 38);
  settings.multiprocessors =
      static_cast<uint32_t>(std::max<uint64_t>(1, read_number("NAMPEMU_MULTIPROCESSORS", 4, 1024)));
  settings.instructions =
      read_number("NAMPEMU_INSTRUCTIONS", settings.instructions, ~uint64_t{0} >> 1);
  settings.quiet = read_number("NAMPEMU_QUIET", 0, 1) == 1;
  findings.set_quiet(settings.quiet);
  if (const char* text = std::getenv("NAMPEMU_COMPUTE")) {
    int major = 0;
    int minor = 0;
    if (std::sscanf(text, "%d.%d", &major, &minor) == 2 && major >= 5 && minor >= 0 && minor <= 9) {
      settings.major = major;
      settings.minor = minor;
    }
  }
  if (const char* text = std::getenv("NAMPEMU_ORDER")) {
    const std::string order = text;
    settings.order.reverse = order == "reverse";
    settings.order.seed = order == "shuffle" ? 1 : 0;
  }
  settings.order.seed = read_number("NAMPEMU_SEED", settings.order.seed, ~uint64_t{0});
  if (const char* file = std::getenv("NAMPEMU_RECORD"); file != nullptr && *file != '\0') {
    if (!record.open(file, static_cast<uint32_t>(read_number("NAMPEMU_SAMPLE", 0, kMostSampled))))
      std::fprintf(stderr, "nampemu: NAMPEMU_RECORD: %s cannot be written\n", file);
  }
  for (int device = 0; device < settings.devices; ++device) {
    contexts.push_back(std::make_unique<Context>());
    contexts.back()->device = device;
    contexts.back()->id = contexts.size();
    pools.push_back(std::make_unique<Pool>());
    pools.back()->device = device;
  }
}

Memory& Emulator::memory() {
  if (memory_ == nullptr) memory_ = std::make_unique<Memory>();
  return *memory_;
}

CUresult Emulator::enter(const std::string& name) {
  ++calls[name];
  int32_t result = 0;
  auto [next, end] = failures.equal_range(name);
  while (next != end) {
    if (--next->second.at == 0) {
      result = next->second.result;
      next = failures.erase(next);
    } else {
      ++next;
    }
  }
  return static_cast<CUresult>(result);
}

std::vector<Context*>& Emulator::stack() {
  thread_local std::vector<Context*> all;
  return all;
}

Context* Emulator::current() { return stack().empty() ? nullptr : stack().back(); }

bool Emulator::valid(const Context* context) const {
  return std::any_of(contexts.begin(), contexts.end(),
                     [=](const auto& known) { return known.get() == context; });
}

void Emulator::destroy_context(Context& context) {
  queue.finish_all(&context);
  context.alive = false;
  context.references = 0;
  const std::string place = "context of device " + std::to_string(context.device);
  const auto leaked = [&](size_t count, const std::string& what) {
    if (count == 0) return;
    report(NAMPEMU_LEAK, place + what,
           std::to_string(count) + " " + what + " alive when the " + place + " was released");
  };
  const auto drop = [&](auto& objects) {
    size_t count = 0;
    for (auto next = objects.begin(); next != objects.end();) {
      if (next->second->context == context.id) {
        next = objects.erase(next);
        ++count;
      } else {
        ++next;
      }
    }
    return count;
  };
  leaked(queue.drop(context.id), "streams");
  leaked(drop(events), "events");
  leaked(drop(graphs), "graphs");
  leaked(drop(executables), "executable graphs");
  leaked(drop(modules), "modules");
  size_t allocations = 0;
  uint64_t bytes = 0;
  memory().each([&](Region& region) {
    if (!region.alive || region.context != context.id) return;
    if (!region.owned_by_module) {
      ++allocations;
      bytes += region.size;
    }
    memory().release(region);
  });
  leaked(allocations, "allocations (" + std::to_string(bytes) + " bytes)");
  context.sticky = CUDA_SUCCESS;
}

CUresult bad_argument(Emulator& emulator, const char* name, const std::string& text,
                      CUresult result) {
  emulator.report(NAMPEMU_ARGUMENT, std::string(name) + text, std::string(name) + ": " + text);
  return result;
}

CUresult check_current(Emulator& emulator, const char* name) {
  const Context* context = Emulator::current();
  const auto find = [&](const char* what) {
    emulator.report(NAMPEMU_NO_CONTEXT, name, std::string(name) + what);
  };
  if (context == nullptr) {
    find(" without a current context");
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (!context->alive) {
    find(" in a context that was released");
    return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  }
  return context->sticky != CUDA_SUCCESS ? context->sticky : check_unsafe_call(emulator, name);
}

CUresult check_stream(Emulator& emulator, const char* name, CUstream stream) {
  const auto number = reinterpret_cast<uintptr_t>(stream);
  // The default, the legacy and the thread's own stream.
  if (number <= 2) return check_captured_stream(emulator, stream);
  const Stream* found = emulator.queue.find(stream);
  if (found == nullptr) {
    return bad_argument(emulator, name, "the stream isn't a live one", CUDA_ERROR_INVALID_HANDLE);
  }
  if (found->context != Emulator::current()->id) {
    return bad_argument(emulator, name, "the stream is another context's",
                        CUDA_ERROR_INVALID_HANDLE);
  }
  return check_captured_stream(emulator, stream);
}

}  // namespace nampemu
