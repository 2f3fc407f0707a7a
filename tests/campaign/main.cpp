// nativeamp-campaign [CALLS [SEED [ONLY]]]: calls of every function of the C interface, drawn from
// a seed: valid ones and ones with up to three faults. Required: no crash and no sanitizer report;
// valid calls succeed and wrong ones fail; a failed call has a message and changes no byte. ONLY
// repeats that one call.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "call.h"

namespace namp_campaign {
namespace {

constexpr int64_t kUsual = 20000;
constexpr int kReports = 20;

struct Counts {
  int64_t by_status[NAMP_ERROR_CAPTURE + 1] = {};
};

class Campaign {
 public:
  Campaign() {
    for (const auto* part : {&kObjects, &kFamilies, &kNetworks, &kIntegers})
      functions_.insert(functions_.end(), part->begin(), part->end());
    if (namp_device_open(&device_, NAMP_DEVICE_CPU, 0) != NAMP_OK ||
        namp_device_set_threads(device_, 3) != NAMP_OK) {
      std::fprintf(stderr, "%s\n", namp_last_error_message());
      std::exit(1);
    }
  }

  void make_one(uint64_t seed, int64_t index) {
    Random random(seed * 1000003 + static_cast<uint64_t>(index));
    const auto which = static_cast<size_t>(random.below(static_cast<int64_t>(functions_.size())));
    Call call(random, device_);
    functions_[which].make(call);
    // Nearly half of the calls are valid.
    const int faults = random.below(100) < 45 ? 0 : static_cast<int>(random.between(1, 3));
    const std::string broken = call.run(faults);
    counts_[call.name].by_status[call.status]++;
    if (broken.empty()) return;
    if (++broken_ <= kReports) {
      std::printf("call %lld of seed %llu, %s, %d faults, %s: %s (%s)\n",
                  static_cast<long long>(index), static_cast<unsigned long long>(seed), call.name,
                  faults, namp_status_name(call.status), broken.c_str(), namp_last_error_message());
    }
  }

  // Closes the device, which fails if something was left alive.
  int finish(bool all) {
    if (namp_device_close(device_) != NAMP_OK) {
      std::printf("%s\n", namp_last_error_message());
      ++broken_;
    }
    int64_t calls = 0, failed = 0;
    std::printf("%-30s %9s %9s %10s %7s\n", "function", "ok", "invalid", "misaligned", "other");
    for (const auto& [name, counts] : counts_) {
      int64_t other = 0;
      for (int status = NAMP_ERROR_OUT_OF_MEMORY; status <= NAMP_ERROR_CAPTURE; ++status)
        other += counts.by_status[status];
      const int64_t bad = counts.by_status[NAMP_ERROR_INVALID_ARGUMENT];
      const int64_t misaligned = counts.by_status[NAMP_ERROR_MISALIGNED];
      std::printf("%-30s %9lld %9lld %10lld %7lld\n", name.c_str(),
                  static_cast<long long>(counts.by_status[NAMP_OK]), static_cast<long long>(bad),
                  static_cast<long long>(misaligned), static_cast<long long>(other));
      calls += counts.by_status[NAMP_OK] + bad + misaligned + other;
      failed += bad + misaligned + other;
    }
    std::printf("%lld calls of %zu functions, %lld of them refused; %lld did not hold\n",
                static_cast<long long>(calls), counts_.size(), static_cast<long long>(failed),
                static_cast<long long>(broken_));
    if (all && counts_.size() != NATIVEAMP_API_FUNCTIONS) {
      std::printf("nativeamp.h has %d functions; not all were called\n", NATIVEAMP_API_FUNCTIONS);
      return 1;
    }
    return broken_ == 0 ? 0 : 1;
  }

 private:
  std::vector<Function> functions_;
  namp_device* device_ = nullptr;
  std::map<std::string, Counts> counts_;
  int64_t broken_ = 0;
};

}  // namespace
}  // namespace namp_campaign

int main(int argc, char** argv) {
  const auto number = [&](int at, int64_t otherwise) {
    return argc > at ? std::atoll(argv[at]) : otherwise;
  };
  const bool exhaustive = std::getenv("NATIVEAMP_EXHAUSTIVE") != nullptr;
  const int64_t calls = number(1, exhaustive ? 50 * namp_campaign::kUsual : namp_campaign::kUsual);
  const auto seed = static_cast<uint64_t>(number(2, 1));
  namp_campaign::Campaign campaign;
  if (argc > 3) {
    campaign.make_one(seed, number(3, 0));
    return campaign.finish(false);
  }
  for (int64_t index = 0; index < calls; ++index)
    campaign.make_one(seed, index);
  return campaign.finish(calls >= namp_campaign::kUsual);
}
