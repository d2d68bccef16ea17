// A linear layer becomes rounds over groups of panels, with the depth inside.

// RUN: xdsl-opt %s -p npu-tile | filecheck %s

// Two panels at a time, one per array, drained together; the last group is clipped: 56 outputs in four panels of 16. The
// tiles of a round follow each other in memory.
// CHECK:        func.func @linear(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x56xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %c56 = arith.constant 56 : index
// CHECK-NEXT:     %c32 = arith.constant 32 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %b = host.buffer : !host.buffer<1x56xf16>
// CHECK-NEXT:     %sums = host.buffer : !host.buffer<4x32xf32>
// CHECK-NEXT:     %tile = host.buffer : !host.buffer<16x16xf16>
// CHECK-NEXT:     %w = host.address_of @w
// CHECK-NEXT:     %b_1 = host.address_of @b
// CHECK-NEXT:     npu.load(dram = %b_1 + 112 * %layer, dram_stride = 112, rows = 1, row_bytes = 112, local = %b, local_stride = 112) {source = "w", queue = "ld1"} : index, index, !host.buffer<1x56xf16>
// CHECK-NEXT:     scf.for %round = %c0 to %c2 step %c1 {
// CHECK-NEXT:       scf.for %depth = %c0 to %c2 step %c1 {
// CHECK-NEXT:         scf.for %panel = %c0 to %c2 step %c1 {
// CHECK-NEXT:           npu.load(dram = %w + 4096 * %layer + 2048 * %round + 1024 * %depth + 512 * %panel, dram_stride = 512, rows = 1, row_bytes = 512, local = %tile, local_stride = 512) {source = "w", queue = "ld0"} : index, index, index, index, index, !host.buffer<16x16xf16>
// CHECK-NEXT:           npu.preload(array = %panel, weights = %tile, weights_stride = 32, k = 16, n = 16, transpose = 0) {source = "w"} : index, !host.buffer<16x16xf16>
// CHECK-NEXT:           npu.matmul(array = %panel, a = %x + 32 * %depth, a_stride = 64, m = %rows, k = 16, n = 16, acc = %sums + 64 * %panel, acc_stride = 128, accumulate = %depth) {source = "w"} : index, !host.buffer<4x32xf16>, index, index, !host.buffer<4x32xf32>
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:       %0 = arith.muli %round, %c32 : index
// CHECK-NEXT:       %1 = arith.addi %0, %c32 : index
// CHECK-NEXT:       %2 = arith.minui %1, %c56 : index
// CHECK-NEXT:       %3 = arith.muli %round, %c32 : index
// CHECK-NEXT:       %4 = arith.minui %3, %c56 : index
// CHECK-NEXT:       %width = arith.subi %2, %4 : index
// CHECK-NEXT:       npu.binary(op = add, dst = %y + 64 * %round, dst_stride = 112, dst_type = f16, a = %sums, a_stride = 128, a_type = f32, b = %b + 64 * %round, b_stride = 0, b_type = f16, broadcast = row, rows = %rows, cols = %width) {source = "w"} : !host.buffer<4x56xf16>, index, !host.buffer<4x32xf32>, !host.buffer<1x56xf16>, index, index
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return

// 40 inputs are two tiles of 16 and the rest.
// CHECK:        func.func @odd(%x: !host.buffer<4x40xf16>, %y: !host.buffer<4x32xf16>, %rows: index) attributes {device = "npu"} {
// CHECK-NEXT:     %c40 = arith.constant 40 : index
// CHECK-NEXT:     %c16 = arith.constant 16 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c3 = arith.constant 3 : index
// CHECK-NEXT:     %sums = host.buffer : !host.buffer<4x32xf32>
// CHECK-NEXT:     %tile = host.buffer : !host.buffer<16x16xf16>
// CHECK-NEXT:     %v = host.address_of @v
// CHECK-NEXT:     scf.for %depth = %c0 to %c3 step %c1 {
// CHECK-NEXT:       scf.for %panel = %c0 to %c2 step %c1 {
// CHECK-NEXT:         npu.load(dram = %v + 1024 * %depth + 512 * %panel, dram_stride = 512, rows = 1, row_bytes = 512, local = %tile, local_stride = 512) {queue = "ld0"} : index, index, index, !host.buffer<16x16xf16>
// CHECK-NEXT:         %0 = arith.muli %depth, %c16 : index
// CHECK-NEXT:         %1 = arith.addi %0, %c16 : index
// CHECK-NEXT:         %2 = arith.minui %1, %c40 : index
// CHECK-NEXT:         %3 = arith.muli %depth, %c16 : index
// CHECK-NEXT:         %4 = arith.minui %3, %c40 : index
// CHECK-NEXT:         %width = arith.subi %2, %4 : index
// CHECK-NEXT:         npu.preload(array = %panel, weights = %tile, weights_stride = 32, k = %width, n = 16, transpose = 0) : index, !host.buffer<16x16xf16>, index
// CHECK-NEXT:         npu.matmul(array = %panel, a = %x + 32 * %depth, a_stride = 80, m = %rows, k = %width, n = 16, acc = %sums + 64 * %panel, acc_stride = 128, accumulate = %depth) : index, !host.buffer<4x40xf16>, index, index, index, !host.buffer<4x32xf32>
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     npu.unary(function = copy, dst = %y, dst_stride = 64, dst_type = f16, a = %sums, a_stride = 128, a_type = f32, rows = %rows, cols = 32, scale = 1.0, bias = 0.0) : !host.buffer<4x32xf16>, !host.buffer<4x32xf32>, index
// CHECK-NEXT:     func.return

// Loads of part of a group, and of several depths of a group, into as many places as planned.
// CHECK:        func.func @part(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf16>, %rows: index) attributes {device = "npu"} {
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c4 = arith.constant 4 : index
// CHECK-NEXT:     %sums = host.buffer : !host.buffer<4x64xf32>
// CHECK-NEXT:     %tile = host.buffer {planned_slots = 5 : i64} : !host.buffer<2x16x16xf16>
// CHECK-NEXT:     %u = host.address_of @u
// CHECK-NEXT:     scf.for %depth = %c0 to %c4 step %c1 {
// CHECK-NEXT:       scf.for %panel = %c0 to %c2 step %c1 {
// CHECK-NEXT:         npu.load(dram = %u + 2048 * %depth + 1024 * %panel, dram_stride = 1024, rows = 1, row_bytes = 1024, local = %tile, local_stride = 1024) {queue = "ld0"} : index, index, index, !host.buffer<2x16x16xf16>
// CHECK-NEXT:         scf.for %column = %c0 to %c2 step %c1 {
// CHECK-NEXT:           npu.preload(array = 2 * %panel + %column, weights = %tile + 512 * %column, weights_stride = 32, k = 16, n = 16, transpose = 0) : index, index, !host.buffer<2x16x16xf16>
// CHECK-NEXT:           npu.matmul(array = 2 * %panel + %column, a = %x + 32 * %depth, a_stride = 128, m = %rows, k = 16, n = 16, acc = %sums + 128 * %panel + 64 * %column, acc_stride = 256, accumulate = %depth) : index, index, !host.buffer<4x64xf16>, index, index, !host.buffer<4x64xf32>
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     npu.unary(function = copy, dst = %y, dst_stride = 128, dst_type = f16, a = %sums, a_stride = 256, a_type = f32, rows = %rows, cols = 64, scale = 1.0, bias = 0.0) : !host.buffer<4x64xf16>, !host.buffer<4x64xf32>, index
// CHECK-NEXT:     func.return

// CHECK:        func.func @whole(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf16>, %rows: index) attributes {device = "npu"} {
// CHECK-NEXT:     %c4 = arith.constant 4 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %sums = host.buffer : !host.buffer<4x64xf32>
// CHECK-NEXT:     %tile = host.buffer : !host.buffer<8x16x16xf16>
// CHECK-NEXT:     %u = host.address_of @u
// CHECK-NEXT:     scf.for %depth = %c0 to %c2 step %c1 {
// CHECK-NEXT:       scf.for %panel = %c0 to %c1 step %c1 {
// CHECK-NEXT:         npu.load(dram = %u + 4096 * %depth + 2048 * %panel, dram_stride = 4096, rows = 1, row_bytes = 4096, local = %tile, local_stride = 4096) {queue = "ld0"} : index, index, index, !host.buffer<8x16x16xf16>
// CHECK-NEXT:         scf.for %step = %c0 to %c2 step %c1 {
// CHECK-NEXT:           scf.for %column = %c0 to %c4 step %c1 {
// CHECK-NEXT:             npu.preload(array = 4 * %panel + %column, weights = %tile + 2048 * %step + 512 * %column, weights_stride = 32, k = 16, n = 16, transpose = 0) : index, index, !host.buffer<8x16x16xf16>, index
// CHECK-NEXT:             npu.matmul(array = 4 * %panel + %column, a = %x + 64 * %depth + 32 * %step, a_stride = 128, m = %rows, k = 16, n = 16, acc = %sums + 256 * %panel + 64 * %column, acc_stride = 256, accumulate = 2 * %depth + %step) : index, index, !host.buffer<4x64xf16>, index, index, index, !host.buffer<4x64xf32>
// CHECK-NEXT:           }
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     npu.unary(function = copy, dst = %y, dst_stride = 128, dst_type = f16, a = %sums, a_stride = 256, a_type = f32, rows = %rows, cols = 64, scale = 1.0, bias = 0.0) : !host.buffer<4x64xf16>, !host.buffer<4x64xf32>, index
// CHECK-NEXT:     func.return

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>} {
  host.memory @w : tensor<2x56x32xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 32, padded_n = 64, group = 2>
  host.memory @b : tensor<2x56xf16> layout #npu.row_major<row_bytes = 112>
  host.memory @v : tensor<32x40xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 48, padded_n = 32, group = 2>
  host.memory @u : tensor<64x64xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 64, padded_n = 64, group = 4>
  func.func @linear(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x56xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
    npu.linear %x, @w[%layer] bias @b -> %y rows %rows {source = "w"} : !host.buffer<4x32xf16> -> !host.buffer<4x56xf16>
    func.return
  }
  func.func @odd(%x: !host.buffer<4x40xf16>, %y: !host.buffer<4x32xf16>, %rows: index) attributes {device = "npu"} {
    npu.linear %x, @v -> %y rows %rows : !host.buffer<4x40xf16> -> !host.buffer<4x32xf16>
    func.return
  }
  func.func @part(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf16>, %rows: index) attributes {device = "npu"} {
    npu.linear %x, @u -> %y rows %rows {load_tiles = 2 : i64, load_slots = 5 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
    func.return
  }
  func.func @whole(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf16>, %rows: index) attributes {device = "npu"} {
    npu.linear %x, @u -> %y rows %rows {load_tiles = 8 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
    func.return
  }
}
