// A model that does not fit is refused, unless capacity does not matter, as for timing.

// RUN: xdsl-opt %s -p assign-memory --verify-diagnostics | filecheck %s
// RUN: xdsl-opt %s -p 'assign-memory{capacity=ignore}' | filecheck %s --check-prefix=IGNORE

// CHECK: the model needs 44 rows in every bank, machine t has 40: 90112 of 81920 bytes
// IGNORE: host.memory @staging : tensor<128xf16> layout #pim.staging<rows = 1> {row = 43 : i64}

builtin.module attributes {pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 40, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  host.memory @norm : tensor<2x20xf16> layout #npu.row_major<row_bytes = 40> {source = "norm"}
  host.memory @wq : tensor<2x40x32xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 32, padded_n = 48, group = 1> {source = "wq"}
  host.memory @wo : tensor<2x24x96xf16> layout #pim.matrix<chunk = 64, columns_of_chunk = [4, 2], passes_per_row = [2, 4], rows_of_chunk = [2, 1], rows_per_layer = 3> {source = "wo"}
  host.memory @keys : tensor<2x2x2x32x16xf16> layout #pim.keys<slots = 2, channels = 2, groups = 4, rows_per_token = 1, heads_per_row = 2, head_dim = 16>
  host.memory @values : tensor<2x2x2x32x16xf16> layout #pim.values<slots = 2, channels = 2, groups = 8, groups_per_head = 4, rows_per_sequence = 4, row_elements = 128, head_dim = 16>
  host.memory @rope : tensor<32x16xf32> layout #npu.rope_table<theta = 1.000000e+04>
  host.memory @staging : tensor<128xf16> layout #pim.staging<rows = 1>
}
