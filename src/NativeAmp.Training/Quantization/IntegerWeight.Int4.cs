using NativeAmp.Interop;

namespace NativeAmp.Training.Quantization;

/// <content>Products of 4-bit weights and 8-bit inputs.</content>
internal sealed unsafe partial class IntegerWeight
{
    // As Packed; the scales lie beside the codes.
    private static Storage PackedInt4(QuantizedTensor weight, Device device, out long bytes)
    {
        NampInt4PackArgs args = NampInt4PackArgs.Create();
        args.N = weight.Rows;
        args.K = weight.Columns;
        args.Group = weight.Group;
        args.PackedBytes = bytes = NativeOps.Int4PackedBytes(device, args);
        Storage packed = Storage.Allocate(device, DType.UInt8, args.PackedBytes, MemoryKind.Parameters);
        Storage codes = Stored(weight, device, MemoryKind.Workspace);
        Storage scales = StoredScales(weight, device, MemoryKind.Workspace);
        args.Codes = (byte*)codes.Pointer;
        args.Scales = (float*)scales.Pointer;
        args.Packed = packed.Pointer;
        NativeOps.Int4Pack(device, args);
        codes.Drop();
        scales.Drop();
        return packed;
    }

    private void MultiplyInt4(Tensor input, Parameter? bias, Tensor output)
    {
        Storage codes = Storage.Allocate(Device, DType.UInt8, input.Count, MemoryKind.Workspace);
        Storage scales = QuantizeRows(input, codes);
        NampInt4GemmArgs args = NampInt4GemmArgs.Create();
        args.CDtype = (int)output.DType;
        args.M = input.Count / Weight.Columns;
        args.N = Weight.Rows;
        args.K = Weight.Columns;
        args.Group = Weight.Group;
        args.A = (sbyte*)codes.Pointer;
        args.AScales = (float*)scales.Pointer;
        args.B = _codes.Pointer;
        args.BBytes = _bytes;
        args.Bias = bias is null ? null : (float*)bias.Pointer;
        args.C = output.Pointer;
        NativeOps.Int4Gemm(Device, args);
        codes.Drop();
        scales.Drop();
    }
}
