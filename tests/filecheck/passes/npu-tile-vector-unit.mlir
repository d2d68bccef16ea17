// Without a systolic array, products run on the vector unit, which reads the weights itself.

// RUN: xdsl-opt %s -p npu-tile | filecheck %s

// CHECK:          npu.load(dram = %b_1 + 112 * %layer, dram_stride = 112, rows = 1, row_bytes = 112, local = %b, local_stride = 112) {source = "w", queue = "ld1"} : index, index, !host.buffer<1x56xf16>
// CHECK:                npu.load(dram = %w + 4096 * %layer + 2048 * %round + 1024 * %depth + 512 * %panel, dram_stride = 512, rows = 1, row_bytes = 512, local = %tile, local_stride = 512) {source = "w", queue = "ld0"} : index, index, index, index, index, !host.buffer<16x16xf16>
// CHECK-NEXT:           npu.gemv(weights = %tile, weights_stride = 32, transpose = 0, a = %x + 32 * %depth, a_stride = 64, m = %rows, k = 16, n = 16, acc = %sums + 64 * %panel, acc_stride = 128, accumulate = %depth) {source = "w"} : !host.buffer<16x16xf16>, !host.buffer<4x32xf16>, index, index, !host.buffer<4x32xf32>, index

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 0, array_rows = 0, array_cols = 0, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>} {
  host.memory @w : tensor<2x56x32xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 32, padded_n = 64, group = 2>
  host.memory @b : tensor<2x56xf16> layout #npu.row_major<row_bytes = 112>
  func.func @linear(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x56xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
    npu.linear %x, @w[%layer] bias @b -> %y rows %rows {source = "w"} : !host.buffer<4x32xf16> -> !host.buffer<4x56xf16>
    func.return
  }
}
