// The `llm` ops of NPU kernels become structured ops on the buffers behind their values.

// RUN: xdsl-opt %s -p convert-llm-to-npu | filecheck %s

// A value that is read or written stands for that buffer, any other gets one of the kernel.
// CHECK:        func.func @rows(%t: !host.buffer<4xi32>, %x: !host.buffer<4x32xf16>, %sums: !host.buffer<4x32xf32>, %y: !host.buffer<4x32xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %m = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %a = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %c = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %b = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %q = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %l = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %n = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %e = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.embed %t, @table_rows -> %e rows %rows {source = "embed"} : !host.buffer<4xi32> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.rms_norm %e, @gain_rows[%layer] -> %n rows %rows {eps = 1.000000e-05 : f32} : !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.layer_norm %n, @gain_rows, @bq_rows[%layer] -> %l rows %rows {eps = 1.000000e-05 : f32} : !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.linear %l, @wq_tiles[%layer] bias @bq_rows -> %q rows %rows {source = "wq"} : !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.bias %sums, @bq_rows[%layer] -> %b rows %rows : !host.buffer<4x32xf32> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.elementwise copy %sums -> %c rows %rows : !host.buffer<4x32xf32> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.elementwise silu %q -> %a rows %rows : !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.elementwise mul %a, %b -> %m rows %rows : !host.buffer<4x32xf16>, !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.elementwise add %m, %c -> %y rows %rows : !host.buffer<4x32xf16>, !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     func.return
// CHECK:        func.func @sequence(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x32xf16>, %last: !host.buffer<2x32xf16>, %logits: !host.buffer<2x50xf32>, %next: !host.buffer<2xi32>, %first: index, %new: index, %past: index, %slot: index, %sequence: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %o = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %p = host.buffer : !host.buffer<4x2x32xf16>
// CHECK-NEXT:     %s = host.buffer : !host.buffer<4x2x32xf32>
// CHECK-NEXT:     %r = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %v = host.view %x[%first] : !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.rotary half %v, @rope_16_10000 at %past -> %r rows %new {heads = 2 : i64, head_dim = 16 : i64} : !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.kv_append %r, %v, @keys, @values[%layer] at %past slot %slot rows %new : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.scores %r, @keys[%layer] at %past slot %slot -> %s rows %new : !host.buffer<4x32xf16> -> !host.buffer<4x2x32xf32>
// CHECK-NEXT:     npu.softmax %s at %past -> %p rows %new {scale = 2.500000e-01 : f32} : !host.buffer<4x2x32xf32> -> !host.buffer<4x2x32xf16>
// CHECK-NEXT:     npu.context %p, @values[%layer] at %past slot %slot -> %o rows %new : !host.buffer<4x2x32xf16> -> !host.buffer<4x32xf16>
// CHECK-NEXT:     %one = arith.constant 1 : index
// CHECK-NEXT:     %row = host.view %last[%sequence] : !host.buffer<2x32xf16>
// CHECK-NEXT:     %0 = arith.constant 1 : index
// CHECK-NEXT:     %1 = arith.subi %new, %0 : index
// CHECK-NEXT:     %2 = host.view %o[%1] : !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.elementwise copy %2 -> %row rows %0 : !host.buffer<4x32xf16> -> !host.buffer<2x32xf16>
// CHECK-NEXT:     func.return
// CHECK:        func.func @end(%last: !host.buffer<2x32xf16>, %logits: !host.buffer<2x50xf32>, %next: !host.buffer<2xi32>, %rows: index) attributes {device = "npu"} {
// CHECK-NEXT:     npu.linear %last, @table_tiles -> %logits rows %rows : !host.buffer<2x32xf16> -> !host.buffer<2x50xf32>
// CHECK-NEXT:     npu.greedy %logits -> %next rows %rows {columns = 50 : i64} : !host.buffer<2x50xf32> -> !host.buffer<2xi32>
// CHECK-NEXT:     func.return

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>, llm.bounds = #llm.bounds<phase = mixed, sequences = 2, new_tokens = 4, context = 24>} {
  host.memory @table_rows : tensor<50x32xf16> layout #npu.row_major<row_bytes = 64>
  host.memory @position_rows : tensor<24x32xf16> layout #npu.row_major<row_bytes = 64>
  host.memory @table_tiles : tensor<50x32xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 32, padded_n = 64, group = 2>
  host.memory @wq_tiles : tensor<2x32x32xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 32, padded_n = 32, group = 2>
  host.memory @bq_rows : tensor<2x32xf16> layout #npu.row_major<row_bytes = 64>
  host.memory @gain_rows : tensor<2x32xf16> layout #npu.row_major<row_bytes = 64>
  host.memory @rope_16_10000 : tensor<32x16xf32> layout #npu.rope_table<theta = 1.000000e+04>
  host.memory @keys : tensor<2x2x2x32x16xf16> layout #npu.row_major<row_bytes = 32>
  host.memory @values : tensor<2x2x2x32x16xf16> layout #npu.row_major<row_bytes = 32>
  func.func @rows(%t: !host.buffer<4xi32>, %x: !host.buffer<4x32xf16>, %sums: !host.buffer<4x32xf32>, %y: !host.buffer<4x32xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
    %tokens = host.read %t rows %rows : !host.buffer<4xi32> -> tensor<?xi32>
    %h = host.read %sums rows %rows : !host.buffer<4x32xf32> -> tensor<?x32xf32>
    %table = llm.get_weight @table : tensor<50x32xf16>
    %gain = llm.get_weight @gain[%layer] : tensor<32xf16>
    %wq = llm.get_weight @wq[%layer] : tensor<32x32xf16>
    %bq = llm.get_weight @bq[%layer] : tensor<32xf16>
    %e = llm.embed %tokens, %table {source = "embed"} : tensor<?xi32>, tensor<50x32xf16> -> tensor<?x32xf16>
    %n = llm.rms_norm %e, %gain {eps = 1.000000e-05 : f32} : tensor<?x32xf16>, tensor<32xf16>
    %l = llm.layer_norm %n, %gain, %bq {eps = 1.000000e-05 : f32} : tensor<?x32xf16>, tensor<32xf16>
    %q = llm.linear %l, %wq bias %bq {source = "wq"} : tensor<?x32xf16>, tensor<32x32xf16>, tensor<32xf16> -> tensor<?x32xf16>
    %b = llm.bias_add %h, %bq : tensor<?x32xf32>, tensor<32xf16> -> tensor<?x32xf16>
    %c = llm.cast %h : tensor<?x32xf32> -> tensor<?x32xf16>
    %a = llm.activation silu %q : tensor<?x32xf16>
    %m = llm.mul %a, %b : tensor<?x32xf16>
    %s = llm.add %m, %c : tensor<?x32xf16>
    host.write %s, %y rows %rows : tensor<?x32xf16> -> !host.buffer<4x32xf16>
    func.return
  }
  func.func @sequence(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x32xf16>, %last: !host.buffer<2x32xf16>, %logits: !host.buffer<2x50xf32>, %next: !host.buffer<2xi32>, %first: index, %new: index, %past: index, %slot: index, %sequence: index, %layer: index) attributes {device = "npu"} {
    %seqs = host.one_sequence %new, %past, %slot
    %v = host.view %x[%first] : !host.buffer<4x32xf16>
    %h = host.read %v rows %new : !host.buffer<4x32xf16> -> tensor<?x32xf16>
    %kv = host.cache : !llm.kv_cache<2x2x16xf16>
    %r = llm.rope half %h, %seqs {heads = 2 : i64, head_dim = 16 : i64, theta = 1.000000e+04 : f32} : tensor<?x32xf16>
    llm.kv_append %kv[%layer], %r, %h, %seqs : !llm.kv_cache<2x2x16xf16>, tensor<?x32xf16>
    %s = llm.scores %r, %kv[%layer], %seqs {heads = 2 : i64, scale = 1.000000e+00 : f32} : tensor<?x32xf16>, !llm.kv_cache<2x2x16xf16> -> !llm.ragged<2x?xf32>
    %p = llm.softmax %s {scale = 2.500000e-01 : f32} : !llm.ragged<2x?xf32> -> !llm.ragged<2x?xf16>
    %o = llm.context %p, %kv[%layer], %seqs : !llm.ragged<2x?xf16>, !llm.kv_cache<2x2x16xf16> -> tensor<?x32xf16>
    %one = arith.constant 1 : index
    %row = host.view %last[%sequence] : !host.buffer<2x32xf16>
    %t = llm.last_token %o, %seqs : tensor<?x32xf16> -> tensor<?x32xf16>
    host.write %t, %row rows %one : tensor<?x32xf16> -> !host.buffer<2x32xf16>
    func.return
  }
  func.func @end(%last: !host.buffer<2x32xf16>, %logits: !host.buffer<2x50xf32>, %next: !host.buffer<2xi32>, %rows: index) attributes {device = "npu"} {
    %h = host.read %last rows %rows : !host.buffer<2x32xf16> -> tensor<?x32xf16>
    %table = llm.get_weight @table : tensor<50x32xf16>
    %l = llm.linear %h, %table : tensor<?x32xf16>, tensor<50x32xf16> -> tensor<?x50xf32>
    %n = llm.argmax %l : tensor<?x50xf32> -> tensor<?xi32>
    host.write %l, %logits rows %rows : tensor<?x50xf32> -> !host.buffer<2x50xf32>
    host.write %n, %next rows %rows : tensor<?xi32> -> !host.buffer<2xi32>
    func.return
  }
}
