// A linear layer becomes rounds over groups of panels, with the depth inside.

// RUN: xdsl-opt %s -p npu-tile | filecheck %s

// Two panels at a time, one per array; the last one is clipped: 56 outputs in four panels of 16. The tiles of a round follow
// each other in memory.
// CHECK:        func.func @linear(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x56xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %c56 = arith.constant 56 : index
// CHECK-NEXT:     %c16 = arith.constant 16 : index
// CHECK-NEXT:     %c32 = arith.constant 32 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %b = host.buffer : !host.buffer<1x56xf16>
// CHECK-NEXT:     %sums = host.buffer : !host.buffer<2x4x16xf32>
// CHECK-NEXT:     %tile = host.buffer : !host.buffer<16x16xf16>
// CHECK-NEXT:     %w = host.address_of @w
// CHECK-NEXT:     %b_1 = host.address_of @b
// CHECK-NEXT:     npu.load(dram = %b_1 + 112 * %layer, dram_stride = 112, rows = 1, row_bytes = 112, local = %b, local_stride = 112) {source = "w", queue = "ld1"} : index, index, !host.buffer<1x56xf16>
// CHECK-NEXT:     scf.for %round = %c0 to %c2 step %c1 {
// CHECK-NEXT:       scf.for %depth = %c0 to %c2 step %c1 {
// CHECK-NEXT:         scf.for %panel = %c0 to %c2 step %c1 {
// CHECK-NEXT:           npu.load(dram = %w + 4096 * %layer + 2048 * %round + 1024 * %depth + 512 * %panel, dram_stride = 512, rows = 1, row_bytes = 512, local = %tile, local_stride = 512) {source = "w", queue = "ld0"} : index, index, index, index, index, !host.buffer<16x16xf16>
// CHECK-NEXT:           npu.preload(array = %panel, weights = %tile, weights_stride = 32, k = 16, n = 16, transpose = 0) {source = "w"} : index, !host.buffer<16x16xf16>
// CHECK-NEXT:           npu.matmul(array = %panel, a = %x + 32 * %depth, a_stride = 64, m = %rows, k = 16, n = 16, acc = %sums + 256 * %panel, acc_stride = 64, accumulate = %depth) {source = "w"} : index, !host.buffer<4x32xf16>, index, index, !host.buffer<2x4x16xf32>
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:       scf.for %panel_1 = %c0 to %c2 step %c1 {
// CHECK-NEXT:         %0 = arith.muli %round, %c32 : index
// CHECK-NEXT:         %1 = arith.muli %panel_1, %c16 : index
// CHECK-NEXT:         %2 = arith.addi %0, %1 : index
// CHECK-NEXT:         %3 = arith.addi %2, %c16 : index
// CHECK-NEXT:         %4 = arith.minui %3, %c56 : index
// CHECK-NEXT:         %5 = arith.muli %round, %c32 : index
// CHECK-NEXT:         %6 = arith.muli %panel_1, %c16 : index
// CHECK-NEXT:         %7 = arith.addi %5, %6 : index
// CHECK-NEXT:         %8 = arith.minui %7, %c56 : index
// CHECK-NEXT:         %width = arith.subi %4, %8 : index
// CHECK-NEXT:         npu.binary(op = add, dst = %y + 64 * %round + 32 * %panel_1, dst_stride = 112, dst_type = f16, a = %sums + 256 * %panel_1, a_stride = 64, a_type = f32, b = %b + 64 * %round + 32 * %panel_1, b_stride = 0, b_type = f16, broadcast = row, rows = %rows, cols = %width) {source = "w"} : !host.buffer<4x56xf16>, index, index, !host.buffer<2x4x16xf32>, !host.buffer<1x56xf16>, index, index
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>} {
  host.memory @w : tensor<2x56x32xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 32, padded_n = 64, group = 2>
  host.memory @b : tensor<2x56xf16> layout #npu.row_major<row_bytes = 112>
  func.func @linear(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x56xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
    npu.linear %x, @w[%layer] bias @b -> %y rows %rows {source = "w"} : !host.buffer<4x32xf16> -> !host.buffer<4x56xf16>
    func.return
  }
}
