// RUN: xdsl-opt %s -p npu-tile --split-input-file --verify-diagnostics | filecheck %s

// CHECK: no host.memory @w: run assign-layouts first
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>} {
  host.memory @v : tensor<64x64xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 64, padded_n = 64, group = 2>
  func.func @k(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf16>, %rows: index) attributes {device = "npu"} {
    npu.linear %x, @w -> %y rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
    func.return
  }
}

// -----

// CHECK: host.memory @w has layout #npu.row_major<row_bytes = 128>, expected #npu.tiles<…>
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>} {
  host.memory @w : tensor<64x64xf16> layout #npu.row_major<row_bytes = 128>
  func.func @k(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf16>, %rows: index) attributes {device = "npu"} {
    npu.linear %x, @w -> %y rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
    func.return
  }
}
// -----

// CHECK: machine t has dataflow output_stationary, expected weight_stationary: preload and matmul keep weights in the array
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32, dataflow = "output_stationary">} {
}

// -----

// CHECK: machine t has array_overlap = false, expected true: the timing simulator overlaps the folds of an array
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32, array_overlap = false>} {
}

// -----

// CHECK: npu.gemm @a: has no tiles, run npu-plan-tiles first
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>} {
  host.memory @a : tensor<64x64xf16> layout #npu.row_major<row_bytes = 128>
  func.func @k() attributes {device = "npu"} {
    npu.gemm @a, @a -> @a
    func.return
  }
}
