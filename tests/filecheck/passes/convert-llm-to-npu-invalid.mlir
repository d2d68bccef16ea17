// RUN: xdsl-opt %s -p convert-llm-to-npu --split-input-file --verify-diagnostics | filecheck %s

// CHECK: llm.attention has no form on the NPU
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  func.func @k(%x: !host.buffer<4x32xf16>, %s: !host.buffer<4x2x32xf32>, %new: index, %past: index, %slot: index) attributes {device = "npu"} {
    %seqs = host.one_sequence %new, %past, %slot
    %h = host.read %x rows %new : !host.buffer<4x32xf16> -> tensor<?x32xf16>
    %kv = host.cache : !llm.kv_cache<2x2x16xf16>
    %y = llm.attention %h, %kv[%slot], %seqs {heads = 2 : i64, scale = 2.500000e-01 : f32} : tensor<?x32xf16>, !llm.kv_cache<2x2x16xf16>
    host.write %y, %x rows %new : tensor<?x32xf16> -> !host.buffer<4x32xf16>
    func.return
  }
}

// -----

// CHECK: no host.memory @w_tiles: run assign-layouts first
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  func.func @k(%x: !host.buffer<4x32xf16>, %rows: index) attributes {device = "npu"} {
    %h = host.read %x rows %rows : !host.buffer<4x32xf16> -> tensor<?x32xf16>
    %w = llm.get_weight @w : tensor<32x32xf16>
    %y = llm.linear %h, %w : tensor<?x32xf16>, tensor<32x32xf16> -> tensor<?x32xf16>
    host.write %y, %x rows %rows : tensor<?x32xf16> -> !host.buffer<4x32xf16>
    func.return
  }
}

// -----

// CHECK: llm.scores has a scale: run llm-place, which moves it to the softmax
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  host.memory @keys : tensor<2x2x2x32x16xf16> layout #npu.row_major<row_bytes = 32>
  host.memory @values : tensor<2x2x2x32x16xf16> layout #npu.row_major<row_bytes = 32>
  func.func @k(%x: !host.buffer<4x32xf16>, %s: !host.buffer<4x2x32xf32>, %new: index, %past: index, %slot: index) attributes {device = "npu"} {
    %seqs = host.one_sequence %new, %past, %slot
    %h = host.read %x rows %new : !host.buffer<4x32xf16> -> tensor<?x32xf16>
    %kv = host.cache : !llm.kv_cache<2x2x16xf16>
    %y = llm.scores %h, %kv[%slot], %seqs {heads = 2 : i64, scale = 2.500000e-01 : f32} : tensor<?x32xf16>, !llm.kv_cache<2x2x16xf16> -> !llm.ragged<2x?xf32>
    host.write %y, %s rows %new : !llm.ragged<2x?xf32> -> !host.buffer<4x2x32xf32>
    func.return
  }
}
