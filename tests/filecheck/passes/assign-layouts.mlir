// Weights, caches and tables get a place for each way in which they are read.

// RUN: xdsl-opt %s -p assign-layouts | filecheck %s
// RUN: xdsl-opt %s -p 'assign-layouts{value-tokens=32}' | filecheck %s --check-prefix=SHARED
// RUN: xdsl-opt %s -p 'assign-layouts{value-tokens=24}' --verify-diagnostics | filecheck %s --check-prefix=COLUMN

// A row of 128 elements has 32 tokens of four groups of dimensions, which are all that a channel has.
// SHARED: host.memory @values : tensor<2x2x2x32x16xf16> layout #pim.values<slots = 2, channels = 2, groups = 8, groups_per_head = 4, rows_per_sequence = 1, row_elements = 32, head_dim = 16, groups_per_row = 4>
// COLUMN: value-tokens is 24, expected a multiple of 16, a column, that divides 128, a row of a bank of t

// Outputs are padded to whole tiles of both arrays where that saves time, inputs of a PIM cut into chunks of the
// global buffer: @wo has 96 inputs, a chunk of 4 columns and one of 2.
// CHECK:        host.memory @table_tiles : tensor<50x32xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 32, padded_n = 64, group = 2> {source = "table"}
// CHECK-NEXT:   host.memory @table_rows : tensor<50x32xf16> layout #npu.row_major<row_bytes = 64> {source = "table"}
// CHECK-NEXT:   host.memory @gain_rows : tensor<2x32xf16> layout #npu.row_major<row_bytes = 64> {source = "gain"}
// CHECK-NEXT:   host.memory @wq_tiles : tensor<2x40x32xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 32, padded_n = 64, group = 2> {source = "wq"}
// CHECK-NEXT:   host.memory @bq_rows : tensor<2x40xf16> layout #npu.row_major<row_bytes = 80> {source = "bq"}
// CHECK-NEXT:   host.memory @rope_16_10000 : tensor<32x16xf32> layout #npu.rope_table<theta = 1.000000e+04>
// CHECK-NEXT:   host.memory @wo_banks : tensor<2x24x96xf16> layout #pim.matrix<chunk = 64, columns_of_chunk = [4, 2], passes_per_row = [2, 4], rows_of_chunk = [2, 1], rows_per_layer = 3> {source = "wo"}
// CHECK-NEXT:   host.memory @keys : tensor<2x2x2x32x16xf16> layout #pim.keys<slots = 2, channels = 2, groups = 4, rows_per_token = 1, heads_per_row = 2, head_dim = 16>
// CHECK-NEXT:   host.memory @values : tensor<2x2x2x32x16xf16> layout #pim.values<slots = 2, channels = 2, groups = 8, groups_per_head = 4, rows_per_sequence = 4, row_elements = 128, head_dim = 16>
// CHECK-NEXT:   func.func @npu(%tokens: tensor<?xi32>, %x: tensor<?x32xf16>, %seqs: !llm.seqs, %layer: index) attributes {device = "npu"} {

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  llm.weight @table : tensor<50x32xf16>
  llm.weight @gain : tensor<2x32xf16>
  llm.weight @wq : tensor<2x40x32xf16>
  llm.weight @bq : tensor<2x40xf16>
  llm.weight @wo : tensor<2x24x96xf16>
  func.func @npu(%tokens: tensor<?xi32>, %x: tensor<?x32xf16>, %seqs: !llm.seqs, %layer: index) attributes {device = "npu"} {
    %table = llm.get_weight @table : tensor<50x32xf16>
    %e = llm.embed %tokens, %table : tensor<?xi32>, tensor<50x32xf16> -> tensor<?x32xf16>
    %gain = llm.get_weight @gain[%layer] : tensor<32xf16>
    %n = llm.rms_norm %e, %gain {eps = 1.000000e-05 : f32} : tensor<?x32xf16>, tensor<32xf16>
    %wq = llm.get_weight @wq[%layer] : tensor<40x32xf16>
    %bq = llm.get_weight @bq[%layer] : tensor<40xf16>
    %q = llm.linear %n, %wq bias %bq : tensor<?x32xf16>, tensor<40x32xf16>, tensor<40xf16> -> tensor<?x40xf16>
    %r = llm.rope half %n, %seqs {heads = 2 : i64, head_dim = 16 : i64, theta = 1.000000e+04 : f32} : tensor<?x32xf16>
    %logits = llm.linear %r, %table : tensor<?x32xf16>, tensor<50x32xf16> -> tensor<?x50xf32>
    func.return
  }
  func.func @pim(%x: tensor<?x96xf16>, %layer: index) attributes {device = "pim"} {
    %wo = llm.get_weight @wo[%layer] : tensor<24x96xf16>
    %y = llm.linear %x, %wo : tensor<?x96xf16>, tensor<24x96xf16> -> tensor<?x24xf32>
    %kv = host.cache : !llm.kv_cache<2x2x16xf16>
    func.return
  }
}
