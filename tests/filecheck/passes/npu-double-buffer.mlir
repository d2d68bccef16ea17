// Buffers whose uses all lie in one loop get slots that the loop goes round.

// RUN: xdsl-opt %s -p 'attach-machine{name=tiny},npu-double-buffer' | filecheck %s --check-prefix=TWO
// RUN: xdsl-opt %s -p 'attach-machine{name=tiny},npu-double-buffer{depth=3}' | filecheck %s --check-prefix=THREE
// RUN: xdsl-opt %s -p 'attach-machine{name=tiny},npu-double-buffer{depth=1}' | filecheck %s --check-prefix=ONE

// A buffer that a load fills gets depth times the trip count of its loop (2 panels), another two slots. %whole is filled before the
// loop, so it keeps its single place.
// TWO:        func.func @ring(%x: !host.buffer<4x64xf16>, %n: index) attributes {device = "npu"} {
// TWO-NEXT:     %tile = host.buffer {slots = 4 : i64} : !host.buffer<16x16xf16>
// TWO-NEXT:     %panel_sums = host.buffer {slots = 2 : i64} : !host.buffer<2x4x16xf32>
// TWO-NEXT:     %whole = host.buffer : !host.buffer<4x64xf16>
// TWO-NEXT:     %c0 = arith.constant 0 : index
// TWO-NEXT:     %c1 = arith.constant 1 : index
// TWO-NEXT:     %c2 = arith.constant 2 : index
// TWO-NEXT:     %w = host.address_of @w
// TWO-NEXT:     npu.unary(function = copy, dst = %whole, dst_stride = 128, dst_type = f16, a = %x, a_stride = 128, a_type = f16, rows = 4, cols = 64) : !host.buffer<4x64xf16>, !host.buffer<4x64xf16>
// TWO-NEXT:     scf.for %i = %c0 to %n step %c1 {
// TWO-NEXT:       %slot = npu.advance %panel_sums of 2 : !host.buffer<2x4x16xf32>
// TWO-NEXT:       scf.for %panel = %c0 to %c2 step %c1 {
// TWO-NEXT:         %slot_1 = npu.advance %tile of 4 : !host.buffer<16x16xf16>
// TWO-NEXT:         npu.load(dram = %w + 1024 * %i + 512 * %panel, dram_stride = 512, rows = 1, row_bytes = 512, local = %tile + 512 * %slot_1, local_stride = 512) : index, index, index, !host.buffer<16x16xf16>, index
// TWO-NEXT:         npu.preload(array = %panel, weights = %tile + 512 * %slot_1, weights_stride = 32, k = 16, n = 16) : index, !host.buffer<16x16xf16>, index
// TWO-NEXT:         npu.matmul(array = %panel, a = %whole, a_stride = 128, m = 4, k = 16, n = 16, acc = %panel_sums + 256 * %panel + 512 * %slot, acc_stride = 64, accumulate = 0) : index, !host.buffer<4x64xf16>, !host.buffer<2x4x16xf32>, index
// TWO-NEXT:       }
// TWO-NEXT:       npu.unary(function = copy, dst = %x + 32 * %i, dst_stride = 128, dst_type = f16, a = %panel_sums + 512 * %slot, a_stride = 64, a_type = f32, rows = 4, cols = 16) : !host.buffer<4x64xf16>, index, !host.buffer<2x4x16xf32>, index
// TWO-NEXT:     }
// TWO-NEXT:     func.return

// THREE:          %tile = host.buffer {slots = 6 : i64} : !host.buffer<16x16xf16>
// THREE-NEXT:     %panel_sums = host.buffer {slots = 2 : i64} : !host.buffer<2x4x16xf32>
// THREE:            %slot = npu.advance %panel_sums of 2 : !host.buffer<2x4x16xf32>
// THREE:              %slot_1 = npu.advance %tile of 6 : !host.buffer<16x16xf16>

// ONE:          %tile = host.buffer : !host.buffer<16x16xf16>
// ONE-NEXT:     %panel_sums = host.buffer : !host.buffer<2x4x16xf32>
// ONE-NEXT:     %whole = host.buffer : !host.buffer<4x64xf16>
// ONE:          func.return

builtin.module {
  host.memory @w : tensor<64x64xf16> layout #npu.row_major<row_bytes = 128>
  func.func @ring(%x: !host.buffer<4x64xf16>, %n: index) attributes {device = "npu"} {
    %tile = host.buffer : !host.buffer<16x16xf16>
    %panel_sums = host.buffer : !host.buffer<2x4x16xf32>
    %whole = host.buffer : !host.buffer<4x64xf16>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %w = host.address_of @w
    npu.unary(function = copy, dst = %whole, dst_stride = 128, dst_type = f16, a = %x, a_stride = 128, a_type = f16, rows = 4, cols = 64) : !host.buffer<4x64xf16>, !host.buffer<4x64xf16>
    scf.for %i = %c0 to %n step %c1 {
      scf.for %panel = %c0 to %c2 step %c1 {
        npu.load(dram = %w + 1024 * %i + 512 * %panel, dram_stride = 512, rows = 1, row_bytes = 512, local = %tile, local_stride = 512) : index, index, index, !host.buffer<16x16xf16>
        npu.preload(array = %panel, weights = %tile, weights_stride = 32, k = 16, n = 16) : index, !host.buffer<16x16xf16>
        npu.matmul(array = %panel, a = %whole, a_stride = 128, m = 4, k = 16, n = 16, acc = %panel_sums + 256 * %panel, acc_stride = 64, accumulate = 0) : index, !host.buffer<4x64xf16>, !host.buffer<2x4x16xf32>
      }
      npu.unary(function = copy, dst = %x + 32 * %i, dst_stride = 128, dst_type = f16, a = %panel_sums, a_stride = 64, a_type = f32, rows = 4, cols = 16) : !host.buffer<4x64xf16>, index, !host.buffer<2x4x16xf32>
    }
    func.return
  }
}
