// Whether a declaration of the project's own is NVIDIA's, as far as a call can tell: handles and
// enumerations may have other names, sizes and kinds may not differ.
#pragma once

#include <type_traits>

template <class Ours, class Theirs>
constexpr bool same_value() {
  if constexpr (std::is_pointer_v<Ours> && std::is_pointer_v<Theirs>) {
    using To = std::remove_pointer_t<Ours>;
    using TheirTo = std::remove_pointer_t<Theirs>;
    if constexpr (std::is_void_v<To> || std::is_void_v<TheirTo> || std::is_class_v<To> ||
                  std::is_class_v<TheirTo> || std::is_function_v<To>) {
      return true;  // a handle, or bytes
    } else {
      return std::is_const_v<To> == std::is_const_v<TheirTo> &&
             same_value<std::remove_const_t<To>, std::remove_const_t<TheirTo>>();
    }
  } else if constexpr (std::is_pointer_v<Ours> || std::is_pointer_v<Theirs>) {
    return false;
  } else if constexpr (std::is_void_v<Ours> || std::is_void_v<Theirs>) {
    return std::is_void_v<Ours> && std::is_void_v<Theirs>;
  } else {
    return sizeof(Ours) == sizeof(Theirs) &&
           std::is_floating_point_v<Ours> == std::is_floating_point_v<Theirs> &&
           (std::is_enum_v<Theirs> || std::is_unsigned_v<Ours> == std::is_unsigned_v<Theirs>);
  }
}

template <class Ours, class Theirs>
struct SameFunction : std::false_type {};
template <class Result, class TheirResult, class... Ours, class... Theirs>
requires(sizeof...(Ours) == sizeof...(Theirs))  //
    struct SameFunction<Result (*)(Ours...), TheirResult (*)(Theirs...)>
    : std::bool_constant<same_value<Result, TheirResult>() && (same_value<Ours, Theirs>() && ...)> {
};

// Two constants, of whatever type.
template <class Ours, class Theirs>
constexpr bool same_number(Ours ours, Theirs theirs) {
  return static_cast<long long>(ours) == static_cast<long long>(theirs);
}
