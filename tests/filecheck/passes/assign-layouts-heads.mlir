// A cache with a head in a channel, on a machine that has the commands for it.

// RUN: xdsl-opt %s -p "assign-layouts{attention=heads}" --split-input-file --verify-diagnostics | filecheck %s

// 3 heads in 2 channels; a part is 2 banks, so a key of 32 takes a column in each, 64 tokens 16 columns: 2 rows.
// CHECK:      host.memory @keys : tensor<2x1x3x64x32xf16> layout #pim.head_keys<slots = 1, heads_per_channel = 2, parts = 4, columns = 1, rows_per_head = 2, head_dim = 32>
// CHECK-NEXT: host.memory @values : tensor<2x1x3x64x32xf16> layout #pim.head_values<slots = 1, heads_per_channel = 2, parts = 4, tokens = 16, rows_per_head = 2, head_dim = 32>

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 8, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 65536, commands = [mac_tree], parts = 4>, llm.bounds = #llm.bounds<phase = decode, sequences = 1, new_tokens = 1, context = 64>} {
  func.func @pim() attributes {device = "pim"} {
    %kv = host.cache : !llm.kv_cache<2x3x32xf16>
    func.return
  }
}

// -----

// CHECK: attention=heads needs the command mac_tree, which machine t has not
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 8, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 65536, commands = [mac], parts = 4>, llm.bounds = #llm.bounds<phase = decode, sequences = 1, new_tokens = 1, context = 64>} {
  func.func @pim() attributes {device = "pim"} {
    %kv = host.cache : !llm.kv_cache<2x3x32xf16>
    func.return
  }
}

// -----

// CHECK: a context of 512 tokens has 128 in each of 4 parts, the buffers of t hold 64 probabilities
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 8, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 65536, commands = [mac_tree], parts = 4>, llm.bounds = #llm.bounds<phase = decode, sequences = 1, new_tokens = 1, context = 512>} {
  func.func @pim() attributes {device = "pim"} {
    %kv = host.cache : !llm.kv_cache<2x3x32xf16>
    func.return
  }
}
