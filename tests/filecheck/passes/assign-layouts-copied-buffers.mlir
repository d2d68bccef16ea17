// A memory whose global buffers are filled by row copy gets a staging row.

// RUN: xdsl-opt %s -p assign-layouts | filecheck %s

// CHECK:        host.memory @wo_banks : tensor<2x24x96xf16> layout #pim.matrix<chunk = 64, columns_of_chunk = [4, 2], passes_per_row = [2, 4], rows_of_chunk = [2, 1], rows_per_layer = 3> {source = "wo"}
// CHECK-NEXT:   host.memory @keys : tensor<2x2x2x32x16xf16> layout #pim.keys<slots = 2, channels = 2, groups = 4, rows_per_token = 1, heads_per_row = 2, head_dim = 16>
// CHECK-NEXT:   host.memory @values : tensor<2x2x2x32x16xf16> layout #pim.values<slots = 2, channels = 2, groups = 8, groups_per_head = 4, rows_per_sequence = 4, row_elements = 128, head_dim = 16>
// CHECK-NEXT:   host.memory @staging : tensor<128xf16> layout #pim.staging<rows = 1>

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = [copy_row, activate, mac, read_acc, precharge, write, read, scatter]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  llm.weight @wo : tensor<2x24x96xf16>
  func.func @pim(%x: tensor<?x96xf16>, %layer: index) attributes {device = "pim"} {
    %wo = llm.get_weight @wo[%layer] : tensor<24x96xf16>
    %y = llm.linear %x, %wo : tensor<?x96xf16>, tensor<24x96xf16> -> tensor<?x24xf32>
    %kv = host.cache : !llm.kv_cache<2x2x16xf16>
    func.return
  }
}
