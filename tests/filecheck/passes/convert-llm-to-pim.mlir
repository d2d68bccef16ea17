// The `llm` ops of PIM kernels become structured ops over matrices in banks.

// RUN: xdsl-opt %s -p convert-llm-to-pim | filecheck %s

// Scores and probabilities that stay on the PIM are in its softmax buffer.
// CHECK:        func.func @linear(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x32xf32>, %rows: index, %layer: index) attributes {device = "pim"} {
// CHECK-NEXT:     pim.gemv %x, @wq_banks[%layer] -> %y rows %rows {source = "wq"} : !host.buffer<4x32xf16> -> !host.buffer<4x32xf32>
// CHECK-NEXT:     func.return
// CHECK:        func.func @attention(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x32xf32>, %first: index, %new: index, %past: index, %slot: index, %sequence: index, %layer: index) attributes {device = "pim"} {
// CHECK-NEXT:     %p = host.buffer : !host.buffer<4x2x32xf16, softmax>
// CHECK-NEXT:     %s = host.buffer : !host.buffer<4x2x32xf32, softmax>
// CHECK-NEXT:     %v = host.view %x[%first] : !host.buffer<4x32xf16>
// CHECK-NEXT:     %w = host.view %y[%first] : !host.buffer<4x32xf32>
// CHECK-NEXT:     pim.kv_append %v, %v, @keys, @values[%layer] at %past slot %slot rows %new {source = "kv_append"} : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>
// CHECK-NEXT:     pim.scores %v, @keys[%layer] at %past slot %slot -> %s rows %new : !host.buffer<4x32xf16> -> !host.buffer<4x2x32xf32, softmax>
// CHECK-NEXT:     pim.softmax_rows %s at %past -> %p rows %new {scale = 2.500000e-01 : f32} : !host.buffer<4x2x32xf32, softmax> -> !host.buffer<4x2x32xf16, softmax>
// CHECK-NEXT:     pim.context %p, @values[%layer] at %past slot %slot -> %w rows %new : !host.buffer<4x2x32xf16, softmax> -> !host.buffer<4x32xf32>
// CHECK-NEXT:     func.return

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  host.memory @wq_banks : tensor<2x32x32xf16> layout #pim.matrix<chunk = 64, columns_of_chunk = [2], passes_per_row = [4], rows_of_chunk = [1], rows_per_layer = 1>
  host.memory @keys : tensor<2x2x2x32x16xf16> layout #pim.keys<slots = 2, channels = 2, groups = 4, rows_per_token = 1, heads_per_row = 2, head_dim = 16>
  host.memory @values : tensor<2x2x2x32x16xf16> layout #pim.values<slots = 2, channels = 2, groups = 8, groups_per_head = 4, rows_per_sequence = 4, row_elements = 128, head_dim = 16>
  func.func @linear(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x32xf32>, %rows: index, %layer: index) attributes {device = "pim"} {
    %h = host.read %x rows %rows : !host.buffer<4x32xf16> -> tensor<?x32xf16>
    %wq = llm.get_weight @wq[%layer] : tensor<32x32xf16>
    %q = llm.linear %h, %wq {source = "wq"} : tensor<?x32xf16>, tensor<32x32xf16> -> tensor<?x32xf32>
    host.write %q, %y rows %rows : tensor<?x32xf32> -> !host.buffer<4x32xf32>
    func.return
  }
  func.func @attention(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x32xf32>, %first: index, %new: index, %past: index, %slot: index, %sequence: index, %layer: index) attributes {device = "pim"} {
    %seqs = host.one_sequence %new, %past, %slot
    %v = host.view %x[%first] : !host.buffer<4x32xf16>
    %h = host.read %v rows %new : !host.buffer<4x32xf16> -> tensor<?x32xf16>
    %w = host.view %y[%first] : !host.buffer<4x32xf32>
    %kv = host.cache : !llm.kv_cache<2x2x16xf16>
    llm.kv_append %kv[%layer], %h, %h, %seqs {source = "kv_append"} : !llm.kv_cache<2x2x16xf16>, tensor<?x32xf16>
    %s = llm.scores %h, %kv[%layer], %seqs {heads = 2 : i64, scale = 1.000000e+00 : f32} : tensor<?x32xf16>, !llm.kv_cache<2x2x16xf16> -> !llm.ragged<2x?xf32>
    %p = llm.softmax %s {scale = 2.500000e-01 : f32} : !llm.ragged<2x?xf32> -> !llm.ragged<2x?xf16>
    %o = llm.context %p, %kv[%layer], %seqs : !llm.ragged<2x?xf16>, !llm.kv_cache<2x2x16xf16> -> tensor<?x32xf32>
    host.write %o, %w rows %new : tensor<?x32xf32> -> !host.buffer<4x32xf32>
    func.return
  }
}
