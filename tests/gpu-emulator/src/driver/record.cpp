#include "driver/record.h"

#include <bit>
#include <cinttypes>
#include <cstring>
#include <numeric>

#include "exec/executor.h"
#include "exec/trace.h"

namespace nampemu {
namespace {

// What tells launches apart. An address of device memory counts by its alignment alone.
std::string key_of(const Launch& launch) {
  std::string key = launch.kernel->name;
  const auto append = [&](const void* from, size_t bytes) {
    key.append(static_cast<const char*>(from), bytes);
  };
  key += '\0';
  append(launch.grid.data(), sizeof launch.grid);
  append(launch.block.data(), sizeof launch.block);
  append(&launch.shared_bytes, sizeof launch.shared_bytes);
  const std::vector<std::byte>& bytes = launch.parameters;
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= bytes.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    if (launch.memory->is_address(word)) word = ~uint64_t{0} << 8 | word % 256;
    append(&word, sizeof word);
  }
  append(bytes.data() + at, bytes.size() - at);
  return key;
}

uint64_t sum_of(const uint64_t (&bytes)[5]) {
  return std::accumulate(std::begin(bytes), std::end(bytes), uint64_t{0});
}

}  // namespace

bool Record::open(const char* file, uint32_t sampled_blocks) {
  if (file_ != nullptr) std::fclose(file_);
  executed_.clear();
  sampled_blocks_ = sampled_blocks;
  file_ = file != nullptr ? std::fopen(file, "w") : nullptr;
  return file == nullptr || file_ != nullptr;
}

void Record::run(Launch& launch, uint64_t graph) {
  launch.sampled_blocks = sampled_blocks();
  const std::string key = launch.sampled_blocks != 0 ? key_of(launch) : std::string();
  if (launch.sampled_blocks != 0) {
    const auto known = executed_.find(key);
    if (known != executed_.end()) {
      launch.counters = known->second.counters;
      return write(launch, known->second, true, graph);
    }
  }
  Trace trace;
  launch.trace = &trace;
  run_launch(launch);
  launch.trace = nullptr;
  const Executed did{launch.counters, launch.blocks_run, trace.longest_warp, trace.loaded_extent(),
                     trace.stored_extent()};
  if (launch.sampled_blocks != 0) executed_[key] = did;
  write(launch, did, false, graph);
}

void Record::write(const char* kind, const std::string& name, uint64_t graph,
                   const std::vector<std::pair<const char*, uint64_t>>& fields) {
  std::fprintf(file_, "{\"kind\": \"%s\", \"name\": \"%s\", \"graph\": %" PRIu64, kind,
               name.c_str(), graph);
  for (const auto& [field, value] : fields)
    std::fprintf(file_, ", \"%s\": %" PRIu64, field, value);
  std::fputs("}\n", file_);
  std::fflush(file_);  // the process that records may be ended at any time
}

void Record::write(const Launch& launch, const Executed& did, bool again, uint64_t graph) {
  const LaunchCounters& c = did.counters;
  std::vector<std::pair<const char*, uint64_t>> fields{
      {"blocks", launch.blocks()},
      {"threads", launch.threads()},
      {"shared_bytes", launch.shared_bytes},
      {"blocks_run", did.blocks_run},
      {"again", again ? 1 : 0},
      {"longest_warp", did.longest_warp},
      {"loaded_extent", did.loaded_extent},
      {"stored_extent", did.stored_extent},
      {"loaded", sum_of(c.global.loaded)},
      {"stored", sum_of(c.global.stored)},
      {"atomic", sum_of(c.global.atomic)},
      {"sectors_loaded", c.sectors_loaded},
      {"sectors_stored", c.sectors_stored},
      {"lines", c.lines},
      {"shared", sum_of(c.shared.loaded) + sum_of(c.shared.stored)},
      {"bank_conflicts", c.bank_conflicts},
      {"warp_instructions", c.warp_instructions},
      {"thread_instructions", c.thread_instructions},
      {"matrix_instructions", c.matrix_instructions},
      {"matrix_products", c.matrix_products}};
  static constexpr const char* classes[NAMPEMU_CLASSES] = {
      "integer", "integer64", "float",  "float64", "convert",
      "divide",  "move",      "memory", "control", "sync"};
  for (int k = 0; k < NAMPEMU_CLASSES; ++k)
    fields.emplace_back(classes[k], c.instructions[k]);
  write("kernel", launch.kernel->name, graph, fields);
}

}  // namespace nampemu
