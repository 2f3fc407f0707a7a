#include "time_model.h"

#include <algorithm>
#include <cmath>

#include "measure.h"

namespace gpu_report {
namespace {

// Blocks are whole: of 133 on 132 multiprocessors, all but one wait for two on the last. The least number of blocks after each other, as a multiple of
// their even share.
double imbalance(const Gpu& gpu, double blocks) {
  return std::ceil(blocks / gpu.multiprocessors) * gpu.multiprocessors / blocks;
}

LaunchTime time_of_product(const Gpu& gpu, const Launch& launch) {
  LaunchTime time;
  time.memory = needed_bytes(launch) / (kCopyShare * gpu.bytes_per_second);
  time.tensor = operations(launch) / (gpu.cublas_share * gpu.tensor_flops);
  return time;
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

double LaunchTime::total() const {
  return kLaunchSeconds + std::max({memory, cache, lines, shared, issue, tensor, longest});
}

const char* LaunchTime::limit() const {
  const std::pair<const char*, double> limits[] = {
      {"memory", memory}, {"cache", cache},   {"lines", lines},     {"shared", shared},
      {"issue", issue},   {"tensor", tensor}, {"longest", longest}, {"launch", kLaunchSeconds}};
  return std::max_element(std::begin(limits), std::end(limits),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

double needed_bytes(const Launch& launch) {
  if (launch.kind == "product") {
    return launch.batch *
           (launch.operand_bytes * (launch.m * launch.k + launch.k * launch.n) +
            launch.result_bytes * launch.m * launch.n * (1 + launch.reads_result + launch.kept));
  }
  if (launch.kind == "fill") return launch.bytes;
  if (launch.kind == "copy") return 2 * launch.bytes;
  // A few blocks reach a few tensors of a table alone.
  for (const char* of_a_table : {"adam", "sgd", "lion", "rmsprop", "check", "unscale", "table"}) {
    if (contains(launch.name, of_a_table)) return launch.asked();
  }
  return std::min(launch.asked(), launch.loaded_extent + launch.stored_extent);
}

double operations(const Launch& launch) {
  return 2 * (launch.kind == "product" ? launch.batch * launch.m * launch.n * launch.k
                                       : launch.matrix_products);
}

LaunchTime time_of(const Gpu& gpu, const Launch& launch) {
  if (launch.kind == "product") return time_of_product(gpu, launch);
  LaunchTime time;
  time.memory = needed_bytes(launch) / (kCopyShare * gpu.bytes_per_second);
  if (launch.kind != "kernel") return time;
  const double uneven = imbalance(gpu, launch.blocks);
  const double clocks = gpu.multiprocessors * gpu.clock;
  time.cache = launch.asked() / gpu.l2_bytes_per_second;
  time.lines = uneven * launch.lines / clocks;
  time.shared = uneven * (launch.shared / kSharedBytesAClock + launch.bank_conflicts) / clocks;
  // mma is a float of each lane to the emulated GPU; a scheduler issues it once for the warp, and no FP32 unit executes it.
  double by_class[10];
  std::copy(std::begin(launch.by_class), std::end(launch.by_class), by_class);
  by_class[NAMPEMU_FLOAT] -= 32 * launch.matrix_instructions;
  by_class[NAMPEMU_SYNC] += 32 * launch.matrix_instructions;
  const double divergence =
      launch.thread_instructions > 0
          ? std::max(1.0, 32 * launch.warp_instructions / launch.thread_instructions)
          : 1;
  time.issue = uneven * divergence * arithmetic_clocks(gpu, by_class) / (kIssueShare * clocks);
  time.tensor = uneven * operations(launch) / (gpu.mma_share * gpu.tensor_flops);
  time.longest = launch.longest_warp * kDependentClocks / gpu.clock;
  return time;
}

double floor_seconds(const Gpu& gpu, double operations, double bytes) {
  return std::max(operations / gpu.tensor_flops, bytes / gpu.bytes_per_second);
}

double reached_seconds(const Gpu& gpu, double operations, double bytes) {
  return std::max(operations / (gpu.cublas_share * gpu.tensor_flops),
                  bytes / (kCopyShare * gpu.bytes_per_second));
}

std::string family_of(const Launch& launch) {
  if (launch.kind == "product") return "cuBLAS";
  if (launch.kind != "kernel") return launch.kind;
  std::string name = launch.name;
  for (const char* part : {"_kernel", "_float16", "_bfloat16", "_sm75", "_128", "_64", "_32", "_nn",
                           "_nt", "_tn", "_tt"}) {
    const size_t at = name.find(part);
    if (at != std::string::npos) name.erase(at, std::string(part).size());
  }
  return name;
}

}  // namespace gpu_report
