// How layer norm and RMS norm write the gradient of a row of their input.
#if defined(NAMP_NORM_GRADIENT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_NORM_GRADIENT_INL_H
#undef NAMP_NORM_GRADIENT_INL_H
#else
#define NAMP_NORM_GRADIENT_INL_H
#endif
#include "cpu/loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// A row of the input's gradient, with the residual gradient and the copy if there are any. Args: of
// layer norm or RMS norm.
template <class In, class Out>
struct GradientRow {
  template <class Args>
  GradientRow(const Args& args, int64_t row)
      : gradient(static_cast<In*>(args.input_gradient) + row * args.width),
        residual(args.residual_gradient == nullptr
                     ? nullptr
                     : static_cast<const In*>(args.residual_gradient) + row * args.width),
        copy(args.input_gradient_copy == nullptr
                 ? nullptr
                 : static_cast<Out*>(args.input_gradient_copy) + row * args.width) {}

  // x: the norm's own part.
  template <class Part>
  HWY_INLINE void write(Lane x, int64_t i, Part part) const {
    if (residual != nullptr) x = load(residual + i, part) + x;
    store(x, gradient + i, part);
    if (copy != nullptr) store(x, copy + i, part);
  }

  In* gradient;
  const In* residual;
  Out* copy;
};

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();
#endif
