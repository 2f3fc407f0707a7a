// The units of work of a channel of an [outer, channels, inner] tensor.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/threads.h"
#include "table_view.h"

namespace namp {

// Part of a channel: of the outer indices from outer_begin to outer_end, the inner ones from
// inner_begin to inner_end.
struct ChannelUnit {
  int64_t channel;
  int64_t outer_begin, outer_end;
  int64_t inner_begin, inner_end;
};

// None of the sizes is 0.
struct Channels {
  int64_t outer, channels, inner;
  int64_t group;         // outer indices of a unit
  int64_t groups;        // of a channel
  int64_t inner_pieces;  // of a run of inner elements

  Channels(int64_t outer_size, int64_t channel_count, int64_t inner_size)
      : outer(outer_size),
        channels(channel_count),
        inner(inner_size),
        group(std::max<int64_t>(1, kChunkElements / inner)),
        groups((outer + group - 1) / group),
        inner_pieces((inner + kChunkElements - 1) / kChunkElements) {}

  int64_t units_of_channel() const { return groups * inner_pieces; }
  int64_t units() const { return channels * units_of_channel(); }

  // Number of units that are worth starting a thread for.
  int64_t grain() const {
    return std::max<int64_t>(1, kChunkElements / (std::min(group, outer) * inner));
  }

  ChannelUnit unit(int64_t index) const {
    const int64_t piece = index % inner_pieces;
    const int64_t g = index / inner_pieces % groups;
    return {index / units_of_channel(), g * group, std::min((g + 1) * group, outer),
            piece * kChunkElements, std::min((piece + 1) * kChunkElements, inner)};
  }

  // Adds the sums of the units, count for each unit, which sum_unit wrote one unit after another.
  void collect(const double* unit_sums, int64_t channel, int count, double* sums) const {
    std::fill(sums, sums + count, 0.0);
    const double* first = unit_sums + channel * units_of_channel() * count;
    for (int64_t u = 0; u < units_of_channel(); ++u) {
      for (int k = 0; k < count; ++k)
        sums[k] += first[u * count + k];
    }
  }
};

// Calls body(unit) for every unit, on all threads.
template <class Body>
void for_units(const Threads& threads, const Channels& shape, Body&& body) {
  threads.parallel_for(shape.units(), shape.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit)
      body(unit);
  });
}

}  // namespace namp
