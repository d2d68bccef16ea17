// A product of tensors in main memory: a tile of results in the accumulators while the depth streams by.

// RUN: xdsl-opt %s -p npu-tile | filecheck %s
// RUN: xdsl-opt %s -p 'attach-machine{name=tiny},npu-plan-tiles' | filecheck %s --check-prefix=PLAN

// The activations of the whole depth stay while the columns run; rows of results are stored when they are complete.
// CHECK:        func.func @stays() attributes {device = "npu"} {
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c40 = arith.constant 40 : index
// CHECK-NEXT:     %c16 = arith.constant 16 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c3 = arith.constant 3 : index
// CHECK-NEXT:     %c_tile = host.buffer {planned_slots = 2 : i64} : !host.buffer<16x64xf16>
// CHECK-NEXT:     %sums = host.buffer {planned_slots = 2 : i64} : !host.buffer<16x32xf32>
// CHECK-NEXT:     %w_tile = host.buffer {planned_slots = 3 : i64} : !host.buffer<4x16x16xf16>
// CHECK-NEXT:     %a_tile = host.buffer {planned_slots = 3 : i64} : !host.buffer<16x32xf16>
// CHECK-NEXT:     %a = host.address_of @a
// CHECK-NEXT:     %w = host.address_of @w
// CHECK-NEXT:     %c = host.address_of @c
// CHECK-NEXT:     scf.for %row = %c0 to %c3 step %c1 {
// CHECK-NEXT:       %0 = arith.muli %row, %c16 : index
// CHECK-NEXT:       %1 = arith.addi %0, %c16 : index
// CHECK-NEXT:       %2 = arith.minui %1, %c40 : index
// CHECK-NEXT:       %3 = arith.muli %row, %c16 : index
// CHECK-NEXT:       %4 = arith.minui %3, %c40 : index
// CHECK-NEXT:       %width = arith.subi %2, %4 : index
// CHECK-NEXT:       npu.load(dram = %a + 1024 * %row, dram_stride = 64, rows = %width, row_bytes = 64, local = %a_tile, local_stride = 64) {queue = "ld1"} : index, index, index, !host.buffer<16x32xf16>
// CHECK-NEXT:       scf.for %column = %c0 to %c2 step %c1 {
// CHECK-NEXT:         npu.load(dram = %w + 2048 * %column, dram_stride = 2048, rows = 1, row_bytes = 2048, local = %w_tile, local_stride = 2048) {queue = "ld0"} : index, index, !host.buffer<4x16x16xf16>
// CHECK-NEXT:         %5 = arith.muli %row, %c16 : index
// CHECK-NEXT:         %6 = arith.addi %5, %c16 : index
// CHECK-NEXT:         %7 = arith.minui %6, %c40 : index
// CHECK-NEXT:         %8 = arith.muli %row, %c16 : index
// CHECK-NEXT:         %9 = arith.minui %8, %c40 : index
// CHECK-NEXT:         %width_1 = arith.subi %7, %9 : index
// CHECK-NEXT:         scf.for %step = %c0 to %c2 step %c1 {
// CHECK-NEXT:           scf.for %panel = %c0 to %c2 step %c1 {
// CHECK-NEXT:             %array = arith.remui %panel, %c2 : index
// CHECK-NEXT:             npu.preload(array = %array, weights = %w_tile + 1024 * %step + 512 * %panel, weights_stride = 32, k = 16, n = 16, transpose = 0) : index, !host.buffer<4x16x16xf16>, index, index
// CHECK-NEXT:             npu.matmul(array = %array, a = %a_tile + 32 * %step, a_stride = 64, m = %width_1, k = 16, n = 16, acc = %sums + 64 * %panel, acc_stride = 128, accumulate = %step) : index, !host.buffer<16x32xf16>, index, index, !host.buffer<16x32xf32>, index
// CHECK-NEXT:           }
// CHECK-NEXT:         }
// CHECK-NEXT:         %10 = arith.muli %row, %c16 : index
// CHECK-NEXT:         %11 = arith.addi %10, %c16 : index
// CHECK-NEXT:         %12 = arith.minui %11, %c40 : index
// CHECK-NEXT:         %13 = arith.muli %row, %c16 : index
// CHECK-NEXT:         %14 = arith.minui %13, %c40 : index
// CHECK-NEXT:         %width_2 = arith.subi %12, %14 : index
// CHECK-NEXT:         npu.unary(function = copy, dst = %c_tile + 64 * %column, dst_stride = 128, dst_type = f16, a = %sums, a_stride = 128, a_type = f32, rows = %width_2, cols = 32, scale = 1.0, bias = 0.0) : !host.buffer<16x64xf16>, index, !host.buffer<16x32xf32>, index
// CHECK-NEXT:       }
// CHECK-NEXT:       %15 = arith.muli %row, %c16 : index
// CHECK-NEXT:       %16 = arith.addi %15, %c16 : index
// CHECK-NEXT:       %17 = arith.minui %16, %c40 : index
// CHECK-NEXT:       %18 = arith.muli %row, %c16 : index
// CHECK-NEXT:       %19 = arith.minui %18, %c40 : index
// CHECK-NEXT:       %width_3 = arith.subi %17, %19 : index
// CHECK-NEXT:       npu.store(dram = %c + 2048 * %row, dram_stride = 128, rows = %width_3, row_bytes = 128, local = %c_tile, local_stride = 128) : index, index, index, !host.buffer<16x64xf16>
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return

// Both operands stream; each tile is stored by itself, the sums have one place.
// CHECK:        func.func @streams() attributes {device = "npu"} {
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c_tile = host.buffer {planned_slots = 2 : i64} : !host.buffer<20x32xf16>
// CHECK-NEXT:     %sums = host.buffer {planned_slots = 1 : i64} : !host.buffer<20x32xf32>
// CHECK-NEXT:     %w_tile = host.buffer {planned_slots = 2 : i64} : !host.buffer<2x16x16xf16>
// CHECK-NEXT:     %a_tile = host.buffer {planned_slots = 2 : i64} : !host.buffer<20x16xf16>
// CHECK-NEXT:     %a = host.address_of @a
// CHECK-NEXT:     %w = host.address_of @w
// CHECK-NEXT:     %c = host.address_of @c
// CHECK-NEXT:     scf.for %column = %c0 to %c2 step %c1 {
// CHECK-NEXT:       scf.for %row = %c0 to %c2 step %c1 {
// CHECK-NEXT:         scf.for %block = %c0 to %c2 step %c1 {
// CHECK-NEXT:           npu.load(dram = %a + 1280 * %row + 32 * %block, dram_stride = 64, rows = 20, row_bytes = 32, local = %a_tile, local_stride = 32) {queue = "ld1"} : index, index, index, !host.buffer<20x16xf16>
// CHECK-NEXT:           npu.load(dram = %w + 2048 * %column + 1024 * %block, dram_stride = 1024, rows = 1, row_bytes = 1024, local = %w_tile, local_stride = 1024) {queue = "ld0"} : index, index, index, !host.buffer<2x16x16xf16>
// CHECK-NEXT:           scf.for %panel = %c0 to %c2 step %c1 {
// CHECK-NEXT:             %array = arith.remui %panel, %c2 : index
// CHECK-NEXT:             npu.preload(array = %array, weights = %w_tile + 512 * %panel, weights_stride = 32, k = 16, n = 16, transpose = 0) : index, !host.buffer<2x16x16xf16>, index
// CHECK-NEXT:             npu.matmul(array = %array, a = %a_tile, a_stride = 32, m = 20, k = 16, n = 16, acc = %sums + 64 * %panel, acc_stride = 128, accumulate = %block) : index, !host.buffer<20x16xf16>, !host.buffer<20x32xf32>, index, index
// CHECK-NEXT:           }
// CHECK-NEXT:         }
// CHECK-NEXT:         npu.unary(function = copy, dst = %c_tile, dst_stride = 64, dst_type = f16, a = %sums, a_stride = 128, a_type = f32, rows = 20, cols = 32, scale = 1.0, bias = 0.0) : !host.buffer<20x32xf16>, !host.buffer<20x32xf32>
// CHECK-NEXT:         npu.store(dram = %c + 2560 * %row + 64 * %column, dram_stride = 128, rows = 20, row_bytes = 64, local = %c_tile, local_stride = 64) : index, index, index, !host.buffer<20x32xf16>
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return

// PLAN:      host.memory @w : tensor<64x32xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 32, padded_n = 64, group = 4>
// PLAN:      npu.gemm @a, @w -> @c {cycles = 498 : i64, tile_m = 16 : i64, depths = 2 : i64, order = "nm", sum_slots = 2 : i64, load_slots = 6 : i64, keep = "tile"}

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>} {
  host.memory @a : tensor<40x32xf16> layout #npu.row_major<row_bytes = 64>
  host.memory @w : tensor<64x32xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 32, padded_n = 64, group = 2>
  host.memory @c : tensor<40x64xf16> layout #npu.row_major<row_bytes = 128>
  func.func @stays() attributes {device = "npu"} {
    npu.gemm @a, @w -> @c {tile_m = 16 : i64, depths = 2 : i64, order = "mn", sum_slots = 2 : i64, load_slots = 3 : i64, keep = "rows"}
    func.return
  }
  func.func @streams() attributes {device = "npu"} {
    npu.gemm @a, @w -> @c {tile_m = 20 : i64, depths = 1 : i64, order = "nm", sum_slots = 1 : i64, keep = "tile"}
    func.return
  }
}
