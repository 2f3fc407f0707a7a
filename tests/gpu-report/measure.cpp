#include "measure.h"

#include <algorithm>

namespace gpu_report {
namespace {

double total(const uint64_t (&bytes)[5]) {
  double sum = 0;
  for (const uint64_t b : bytes)
    sum += static_cast<double>(b);
  return sum;
}
double total(const nampemu_traffic& traffic) {
  return total(traffic.loaded) + total(traffic.stored) + total(traffic.atomic);
}

}  // namespace

std::vector<Measured> measure(EmulatedGpu& gpu, const Workload& workload,
                              const std::vector<std::string>& kernel_names) {
  gpu.use(workload.compute);
  const auto call = workload.prepare(gpu);
  const size_t findings = nampemu_findings();
  nampemu_reset_counters();
  require(call());
  require(namp_stream_synchronize(gpu.device(), nullptr));
  if (nampemu_findings() != findings) throw std::runtime_error(nampemu_finding_text(findings));
  std::vector<Measured> rows;
  const auto per = static_cast<double>(workload.elements);
  for (const std::string& name : kernel_names) {
    nampemu_counters c{};
    nampemu_get_kernel_counters(name.c_str(), &c, sizeof c);
    if (c.launches == 0) continue;
    Measured row;
    row.workload = workload.name;
    row.unit = workload.unit;
    row.kernel = name;
    row.optimizer_path = workload.optimizer_path;
    row.elements = per;
    row.launches = c.launches;
    row.loaded = total(c.global.loaded) / per;
    row.stored = total(c.global.stored) / per;
    row.atomic = total(c.global.atomic) / per;
    for (int w = 0; w < 5; ++w) {
      row.by_width[w] =
          static_cast<double>(c.global.loaded[w] + c.global.stored[w] + c.global.atomic[w]) / per;
    }
    row.load_sectors = static_cast<double>(c.sectors_loaded) / per;
    row.store_sectors = static_cast<double>(c.sectors_stored) / per;
    row.shared = total(c.shared) / per;
    row.bank_conflicts = static_cast<double>(c.bank_conflicts) / per;
    row.local = total(c.local) / per;
    row.instructions = static_cast<double>(c.thread_instructions) / per;
    static_assert(std::size(decltype(Measured::by_class){}) == NAMPEMU_CLASSES);
    for (int k = 0; k < NAMPEMU_CLASSES; ++k)
      row.by_class[k] = static_cast<double>(c.instructions[k]) / per;
    row.warp_instructions = static_cast<double>(c.warp_instructions) / per;
    rows.push_back(row);
  }
  gpu.release();
  if (!rows.empty()) {
    std::max_element(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
      return a.moved() < b.moved();
    })->needed_bytes = workload.needed_bytes;
  }
  return rows;
}

double memory_seconds(const Gpu& gpu, double bytes_per_element, double elements) {
  return bytes_per_element * elements / gpu.bytes_per_second;
}

// The price of a PTX instruction. Moves are operands of other machine instructions; integers
// of 64 bits take two; a division, a root or an exponential takes ten or so, most of them on the
// FP32 units. Ten is an assumption, not a published figure: machine code (the report's part with
// nvcc's tools) has the true number.
double arithmetic_clocks(const Gpu& gpu, const double (&c)[10]) {
  constexpr double kDivision = 10;
  const double integers = c[NAMPEMU_INTEGER] + 2 * c[NAMPEMU_INTEGER64] + c[NAMPEMU_CONVERT];
  const double floats = c[NAMPEMU_FLOAT] + kDivision * c[NAMPEMU_DIVIDE];
  const double doubles = c[NAMPEMU_FLOAT64];
  const double others = c[NAMPEMU_MEMORY] + c[NAMPEMU_CONTROL] + c[NAMPEMU_SYNC];
  return std::max({(integers + floats + doubles + others) / kIssueLanes, integers / gpu.int32_lanes,
                   floats / gpu.fp32_lanes, doubles / gpu.fp64_lanes});
}

double arithmetic_seconds(const Gpu& gpu, const Measured& m, double elements) {
  const double clocks = arithmetic_clocks(gpu, m.by_class);
  // A warp that runs in part takes as long as a whole one.
  const double divergence =
      m.instructions > 0 ? std::max(1.0, 32 * m.warp_instructions / m.instructions) : 1;
  return clocks * divergence * elements / (gpu.multiprocessors * gpu.clock);
}

}  // namespace gpu_report
