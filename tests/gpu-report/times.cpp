#include "times.h"

#include <algorithm>
#include <map>
#include <ostream>
#include <stdexcept>

#include "format.h"

namespace gpu_report {
namespace {

// Of a launch that does next to nothing it would say nothing.
std::string ratio(double seconds, double floor) {
  return floor > seconds / 1000 ? format("%.2f", seconds / floor) : "-";
}

// A family's launches on one GPU.
struct Family {
  int launches = 0;
  double seconds = 0;
  double floor = 0;
  std::map<std::string, double> by_limit;  // seconds

  std::string limit() const {
    return std::max_element(by_limit.begin(), by_limit.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; })
        ->first;
  }
};

std::map<std::string, Family> families_of(const Recording& recording) {
  std::map<std::string, Family> families;
  for (const Piece& piece : recording.pieces) {
    for (const Launch& launch : piece.launches) {
      const LaunchTime time = time_of(*recording.gpu, launch);
      Family& family = families[family_of(launch)];
      ++family.launches;
      family.seconds += time.total();
      family.floor += floor_seconds(*recording.gpu, operations(launch), needed_bytes(launch));
      family.by_limit[time.limit()] += time.total();
    }
  }
  return families;
}

// What decides the launches' times: how many of them, and their seconds without the steps from one to the next.
struct LimitTime {
  int launches = 0;
  double seconds = 0;
};
std::map<std::string, LimitTime> limits_of(const Recording& recording) {
  std::map<std::string, LimitTime> limits;
  for (const Piece& piece : recording.pieces) {
    for (const Launch& launch : piece.launches) {
      const LaunchTime time = time_of(*recording.gpu, launch);
      LimitTime& limit = limits[time.limit()];
      ++limit.launches;
      limit.seconds += time.total() - kLaunchSeconds;
      LimitTime& between = limits["from launch to launch"];
      ++between.launches;
      between.seconds += kLaunchSeconds;
    }
  }
  return limits;
}

void write_limits(std::ostream& out, const std::vector<Recording>& recordings) {
  std::map<std::string, std::vector<LimitTime>> rows;
  std::vector<double> sums(recordings.size());
  for (size_t r = 0; r < recordings.size(); ++r) {
    for (const auto& [name, limit] : limits_of(recordings[r])) {
      std::vector<LimitTime>& row = rows[name];
      row.resize(recordings.size());
      row[r] = limit;
      sums[r] += limit.seconds;
    }
  }
  for (auto& [name, row] : rows) {
    out << format("%-66s", name.c_str());
    for (size_t r = 0; r < recordings.size(); ++r) {
      out << format("  %8d %8.3f %20.2f", row[r].launches, 1e3 * row[r].seconds,
                    row[r].seconds / sums[r]);
    }
    out << "\n";
  }
}

void write_row(std::ostream& out, const std::string& name, const std::vector<PieceTime>& times) {
  out << format("%-66s", name.c_str());
  for (const PieceTime& t : times) {
    out << format("  %8zu %8.3f %8.3f %5s %5s", t.launches, 1e3 * t.seconds, 1e3 * t.floor,
                  ratio(t.seconds, t.floor).c_str(), ratio(t.seconds, t.reached).c_str());
  }
  out << "\n";
}

void write_heads(std::ostream& out, const std::vector<Recording>& recordings, const char* first,
                 const char* columns) {
  out << format("%-66s", "");
  for (const Recording& recording : recordings)
    out << format("  %38s", recording.gpu->name);
  out << "\n" << format("%-66s", first);
  for (size_t i = 0; i < recordings.size(); ++i)
    out << "  launches " << columns;
  out << "\n";
}

}  // namespace

const Gpu* find_gpu(const std::string& name) {
  for (const Gpu& gpu : kGpus) {
    if (!name.empty() && std::string(gpu.name).rfind(name, 0) == 0) return &gpu;
  }
  return nullptr;
}

PieceTime time_of(const Gpu& gpu, const Piece& piece) {
  PieceTime time;
  time.launches = piece.launches.size();
  for (const Launch& launch : piece.launches)
    time.seconds += time_of(gpu, launch).total();
  for (const Floor& floor : piece.floors) {
    time.floor += floor_seconds(gpu, floor.operations, floor.bytes);
    time.reached += reached_seconds(gpu, floor.operations, floor.bytes);
  }
  return time;
}

void write_assumptions(std::ostream& out) {
  out << format(
      "A launch takes the longest of: the bytes that it has to move from and to memory, at %.2f of "
      "the published bandwidth; all bytes that it asks for, from the\nsecond-level cache; the "
      "lines "
      "of 128 bytes that its warps' loads and stores touch, one a clock of a multiprocessor; bytes "
      "and conflicts of shared memory; its\ninstructions, at %.2f of the issue slots, or of the "
      "units that execute them; its products, on tensor cores by mma.sync or by cuBLAS; its "
      "longest "
      "warp, an instruction\nevery %.0f clocks. Then %.0f us to the next launch. Launches are one "
      "after the other, and no cache holds anything from one to the next. A multiprocessor has "
      "as\nmany blocks as any other, or one more. What a launch has to move is what it reaches, "
      "from "
      "the first byte to the last, or asks for, whichever is less. Times of\nloads under way, "
      "occupancy and clocks below the published ones are not in it.\n",
      kCopyShare, kIssueShare, kDependentClocks, 1e6 * kLaunchSeconds);
  out << "\nms: by this model. floor: what the operators have to compute or to move, whichever is "
         "longer, at published peaks, whatever the kernels are. x: ms beside it;\nreach: beside "
         "the "
         "same at cuBLAS's share of the tensor cores' peak and the copy's of the bandwidth. Of a "
         "kernel, floor: of the products that it multiplies and\nthe bytes that it has to move; "
         "limit: of most of its time. Last, what decides launches: how many of them, and their "
         "time.\n\n";
  for (const Gpu& gpu : kGpus)
    out << gpu.name << ": " << gpu.source << "\n";
}

void write_times(std::ostream& out, const std::string& label,
                 const std::vector<Recording>& recordings) {
  const std::vector<Piece>& pieces = recordings.front().pieces;
  for (const Recording& recording : recordings) {
    if (recording.pieces.size() != pieces.size())
      throw std::runtime_error(label + ": the recordings are of different work");
  }
  out << "\n" << label << "\n\n";
  write_heads(out, recordings, "work", "      ms    floor     x reach");
  std::vector<PieceTime> sum(recordings.size());
  for (size_t p = 0; p < pieces.size(); ++p) {
    std::vector<PieceTime> times;
    for (size_t r = 0; r < recordings.size(); ++r) {
      times.push_back(time_of(*recordings[r].gpu, recordings[r].pieces[p]));
      sum[r].launches += times[r].launches;
      sum[r].seconds += times[r].seconds;
      sum[r].floor += times[r].floor;
      sum[r].reached += times[r].reached;
    }
    write_row(out, pieces[p].name, times);
  }
  if (pieces.size() > 1) write_row(out, "all", sum);
  out << "\n";
  write_heads(out, recordings, "kernel", "      ms    floor     x  limit");
  std::vector<std::map<std::string, Family>> families;
  std::map<std::string, double>
      shares;  // the largest on any of the GPUs, which may take different kernels
  for (size_t r = 0; r < recordings.size(); ++r) {
    families.push_back(families_of(recordings[r]));
    for (const auto& [name, family] : families.back())
      shares[name] = std::max(shares[name], family.seconds / sum[r].seconds);
  }
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [name, share] : shares)
    order.emplace_back(-share, name);
  std::sort(order.begin(), order.end());
  for (const auto& [share, name] : order) {
    out << format("%-66s", name.c_str());
    for (auto& of_gpu : families) {
      const Family& f = of_gpu[name];
      if (f.launches == 0) {
        out << format("  %8s %29s", "-", "");
        continue;
      }
      out << format("  %8d %8.3f %8.3f %5s %6s", f.launches, 1e3 * f.seconds, 1e3 * f.floor,
                    ratio(f.seconds, f.floor).c_str(), f.limit().c_str());
    }
    out << "\n";
  }
  out << "\n";
  write_heads(out, recordings, "limit", "      ms                share");
  write_limits(out, recordings);
}

}  // namespace gpu_report
