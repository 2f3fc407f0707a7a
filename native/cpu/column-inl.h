// Lanes of a column (cpu/update_chunk.h): of a dtype that is a type, or of one that is known only at
// run time, which is tested for every lane. The usual combinations of dtypes have loops of their
// own; a loop for every combination would be hundreds.
#if defined(NAMP_CPU_COLUMN_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_COLUMN_INL_H
#undef NAMP_CPU_COLUMN_INL_H
#else
#define NAMP_CPU_COLUMN_INL_H
#endif

#include "cpu/loop-inl.h"
#include "cpu/update_chunk.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

template <class T>
struct ColumnOf {
  T* data;
  explicit ColumnOf(Column column) : data(static_cast<T*>(column.data)) {}
};
template <class T, class Part>
HWY_INLINE Lane load(ColumnOf<T> column, int64_t i, Part part) {
  return load(column.data + i, part);
}
template <class T, class Part>
HWY_INLINE void store(Lane x, ColumnOf<T> column, int64_t i, Part part) {
  store(x, column.data + i, part);
}

// Asks for elements that a loop at element i needs soon. The hardware does so too, but stops at the
// borders of pages, to which a loop over several columns comes often.
template <class T>
HWY_INLINE void prefetch(ColumnOf<T> column, int64_t i) {
  constexpr int64_t kAheadBytes = 1024;
  hwy::Prefetch(column.data + i + kAheadBytes / static_cast<int64_t>(sizeof(T)));
}
HWY_INLINE void prefetch(Column, int64_t) {}

// Returns body(p), where p points to the column's element i by its type.
template <class Body>
HWY_INLINE auto with_place(Column column, int64_t i, Body&& body) {
  return with_element(column.dtype, [&](auto type) NAMP_LANES {
    return body(static_cast<typename decltype(type)::Type*>(column.data) + i);
  });
}

template <class Part>
HWY_INLINE Lane load(Column column, int64_t i, Part part) {
  return with_place(column, i, [&](const auto* p) NAMP_LANES { return load(p, part); });
}
template <class Part>
HWY_INLINE void store(Lane x, Column column, int64_t i, Part part) {
  with_place(column, i, [&](auto* p) NAMP_LANES { store(x, p, part); });
}
template <class Part>
HWY_INLINE void stream(Lane x, Column column, int64_t i, Part part) {
  with_place(column, i, [&](auto* p) NAMP_LANES { stream(x, p, part); });
}
template <class Part>
HWY_INLINE void store_stochastic(Lane x, LaneBits random, Column column, int64_t i, Part part) {
  with_place(column, i, [&](auto* p) NAMP_LANES { store_stochastic(x, random, p, part); });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
