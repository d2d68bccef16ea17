// Structured ops, instructions and attributes of `npu` print as they parse.

// RUN: xdsl-opt %s | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s --print-op-generic | xdsl-opt | filecheck %s

// CHECK:      func.func @structured(%tokens: !host.buffer<4xi32>, %x: !host.buffer<4x64xf16>, %k: !host.buffer<4x32xf16>, %s: !host.buffer<4x4x64xf32>, %p: !host.buffer<4x4x64xf16>, %logits: !host.buffer<4x96xf32>, %layer: index, %past: index, %slot: index, %rows: index) {
// CHECK-NEXT:   npu.embed %tokens, @token_embd -> %x rows %rows {source = "embed"} : !host.buffer<4xi32> -> !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.position_embed %x, @position at %past -> %x rows %rows {offset = 2 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.linear %x, @attn_k[%layer] -> %k rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x32xf16>
// CHECK-NEXT:   npu.linear %x, @head bias @head_bias -> %logits rows %rows {load_tiles = 2 : i64, load_slots = 3 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x96xf32>
// CHECK-NEXT:   npu.rms_norm %x, @norm[%layer] -> %x rows %rows {eps = 1.000000e-05 : f32} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.layer_norm %x, @norm, @norm_bias -> %x rows %rows {eps = 1.000000e-05 : f32} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.rotary half %x, @rope at %past -> %x rows %rows {heads = 4 : i64, head_dim = 16 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.kv_append %k, %k, @keys, @values[%layer] at %past slot %slot rows %rows : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>
// CHECK-NEXT:   npu.scores %x, @keys[%layer] at %past slot %slot -> %s rows %rows {unit = #npu<unit vector>, load_tokens = 32 : i64, load_slots = 2 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x4x64xf32>
// CHECK-NEXT:   npu.softmax %s at %past -> %p rows %rows {scale = 2.500000e-01 : f32} : !host.buffer<4x4x64xf32> -> !host.buffer<4x4x64xf16>
// CHECK-NEXT:   npu.context %p, @values[%layer] at %past slot %slot -> %x rows %rows : !host.buffer<4x4x64xf16> -> !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.elementwise add %x, %x -> %x rows %rows : !host.buffer<4x64xf16>, !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.elementwise gelu_tanh %x -> %x rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.bias %x, @attn_q_bias[%layer] -> %x rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.greedy %logits -> %tokens rows %rows {columns = 96 : i64} : !host.buffer<4x96xf32> -> !host.buffer<4xi32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }

func.func @structured(%tokens: !host.buffer<4xi32>, %x: !host.buffer<4x64xf16>, %k: !host.buffer<4x32xf16>, %s: !host.buffer<4x4x64xf32>, %p: !host.buffer<4x4x64xf16>, %logits: !host.buffer<4x96xf32>, %layer: index, %past: index, %slot: index, %rows: index) {
  npu.embed %tokens, @token_embd -> %x rows %rows {source = "embed"} : !host.buffer<4xi32> -> !host.buffer<4x64xf16>
  npu.position_embed %x, @position at %past -> %x rows %rows {offset = 2 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
  npu.linear %x, @attn_k[%layer] -> %k rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x32xf16>
  npu.linear %x, @head bias @head_bias -> %logits rows %rows {load_tiles = 2 : i64, load_slots = 3 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x96xf32>
  npu.rms_norm %x, @norm[%layer] -> %x rows %rows {eps = 1.000000e-05 : f32} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
  npu.layer_norm %x, @norm, @norm_bias -> %x rows %rows {eps = 1.000000e-05 : f32} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
  npu.rotary half %x, @rope at %past -> %x rows %rows {heads = 4 : i64, head_dim = 16 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
  npu.kv_append %k, %k, @keys, @values[%layer] at %past slot %slot rows %rows : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>
  npu.scores %x, @keys[%layer] at %past slot %slot -> %s rows %rows {unit = #npu<unit vector>, load_tokens = 32 : i64, load_slots = 2 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x4x64xf32>
  npu.softmax %s at %past -> %p rows %rows {scale = 2.500000e-01 : f32} : !host.buffer<4x4x64xf32> -> !host.buffer<4x4x64xf16>
  npu.context %p, @values[%layer] at %past slot %slot -> %x rows %rows : !host.buffer<4x4x64xf16> -> !host.buffer<4x64xf16>
  npu.elementwise add %x, %x -> %x rows %rows : !host.buffer<4x64xf16>, !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
  npu.elementwise gelu_tanh %x -> %x rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
  npu.bias %x, @attn_q_bias[%layer] -> %x rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
  npu.greedy %logits -> %tokens rows %rows {columns = 96 : i64} : !host.buffer<4x96xf32> -> !host.buffer<4xi32>
  func.return
}

// CHECK:      func.func @instructions(%x: !host.buffer<4x64xf16>, %i: index, %n: index) {
// CHECK-NEXT:   %w = host.address_of @w
// CHECK-NEXT:   %tile = host.buffer {slots = 2 : i64} : !host.buffer<16x16xf16>
// CHECK-NEXT:   %free = npu.semaphore {initial = 2 : i64}
// CHECK-NEXT:   %full = npu.semaphore {initial = 0 : i64}
// CHECK-NEXT:   %slot = npu.advance %tile of 2 : !host.buffer<16x16xf16>
// CHECK-NEXT:   npu.load(dram = 64 + %w + 512 * %i, dram_stride = 512, rows = 1, row_bytes = 512, local = %tile + 512 * %slot, local_stride = 512) wait(%free) post(%full) {source = "attn_q", queue = "ld1"} : index, index, !host.buffer<16x16xf16>, index, !npu.semaphore, !npu.semaphore
// CHECK-NEXT:   npu.store(dram = %w, dram_stride = 128, rows = %n, row_bytes = 128, local = %x, local_stride = 128) : index, index, !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.gather(dram = %w, dram_stride = 128, rows = %n, row_bytes = 128, local = %x, local_stride = 128, index = 0) : index, index, !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.preload(array = 1, weights = %tile, weights_stride = 32, k = 16, n = 16, transpose = 1) wait(%full : 2) post(%free, %full : 3) : !host.buffer<16x16xf16>, !npu.semaphore, !npu.semaphore
// CHECK-NEXT:   npu.matmul(array = 1, a = %x, a_stride = 128, m = %n, k = 16, n = 16, acc = 4096, acc_stride = 64, accumulate = %i) : !host.buffer<4x64xf16>, index, index
// CHECK-NEXT:   npu.gemv(weights = %tile, weights_stride = 32, transpose = 0, a = %x, a_stride = 128, m = %n, k = 16, n = 16, acc = 4096, acc_stride = 64, accumulate = 0) : !host.buffer<16x16xf16>, !host.buffer<4x64xf16>, index
// CHECK-NEXT:   npu.binary(op = max, dst = 0, dst_stride = 256, dst_type = f32, a = %x, a_stride = 128, a_type = f16, b = 128, b_stride = 4, b_type = i32, broadcast = column, rows = 4, cols = 64 + -1 * %i) : !host.buffer<4x64xf16>, index
// CHECK-NEXT:   npu.unary(function = exp, dst = 0, dst_stride = 4, dst_type = f32, a = 0, a_stride = 4, a_type = f32, rows = 4, cols = 1, scale = 0.125, bias = -1.5)
// CHECK-NEXT:   npu.reduce(op = sum_of_squares, dst = 0, dst_stride = 4, a = %x, a_stride = 128, a_type = f16, rows = 4, cols = 64) : !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.rope(dst = %x, dst_stride = 128, a = %x, a_stride = 128, table = 512, table_stride = 64, rows = 4, heads = 4, head_dim = 16, style = half) : !host.buffer<4x64xf16>
// CHECK-NEXT:   npu.mask(dst = 0, dst_stride = 256, rows = 16, cols = 64, limit = 1 + %i, rows_per_step = 4) : index
// CHECK-NEXT:   npu.argmax(dst = 0, a = 64, a_stride = 384, rows = 4, cols = 96)
// CHECK-NEXT:   npu.fill(dst = 0, dst_stride = 128, dst_type = f16, rows = 4, cols = 64, value = 0xff800000)
// CHECK-NEXT:   npu.sync() wait(%full) {queue = "vx"} : !npu.semaphore
// CHECK-NEXT:   func.return
// CHECK-NEXT: }

func.func @instructions(%x: !host.buffer<4x64xf16>, %i: index, %n: index) {
  %w = host.address_of @w
  %tile = host.buffer {slots = 2 : i64} : !host.buffer<16x16xf16>
  %free = npu.semaphore {initial = 2 : i64}
  %full = npu.semaphore {initial = 0 : i64}
  %slot = npu.advance %tile of 2 : !host.buffer<16x16xf16>
  npu.load(dram = 64 + %w + 512 * %i, dram_stride = 512, rows = 1, row_bytes = 512, local = %tile + 512 * %slot, local_stride = 512) wait(%free) post(%full) {source = "attn_q", queue = "ld1"} : index, index, !host.buffer<16x16xf16>, index, !npu.semaphore, !npu.semaphore
  npu.store(dram = %w, dram_stride = 128, rows = %n, row_bytes = 128, local = %x, local_stride = 128) : index, index, !host.buffer<4x64xf16>
  npu.gather(dram = %w, dram_stride = 128, rows = %n, row_bytes = 128, local = %x, local_stride = 128, index = 0) : index, index, !host.buffer<4x64xf16>
  npu.preload(array = 1, weights = %tile, weights_stride = 32, k = 16, n = 16, transpose = 1) wait(%full : 2) post(%free, %full : 3) : !host.buffer<16x16xf16>, !npu.semaphore, !npu.semaphore
  npu.matmul(array = 1, a = %x, a_stride = 128, m = %n, k = 16, n = 16, acc = 4096, acc_stride = 64, accumulate = %i) : !host.buffer<4x64xf16>, index, index
  npu.gemv(weights = %tile, weights_stride = 32, transpose = 0, a = %x, a_stride = 128, m = %n, k = 16, n = 16, acc = 4096, acc_stride = 64, accumulate = 0) : !host.buffer<16x16xf16>, !host.buffer<4x64xf16>, index
  npu.binary(op = max, dst = 0, dst_stride = 256, dst_type = f32, a = %x, a_stride = 128, a_type = f16, b = 128, b_stride = 4, b_type = i32, broadcast = column, rows = 4, cols = 64 + -1 * %i) : !host.buffer<4x64xf16>, index
  npu.unary(function = exp, dst = 0, dst_stride = 4, dst_type = f32, a = 0, a_stride = 4, a_type = f32, rows = 4, cols = 1, scale = 0.125, bias = -1.5)
  npu.reduce(op = sum_of_squares, dst = 0, dst_stride = 4, a = %x, a_stride = 128, a_type = f16, rows = 4, cols = 64) : !host.buffer<4x64xf16>
  npu.rope(dst = %x, dst_stride = 128, a = %x, a_stride = 128, table = 512, table_stride = 64, rows = 4, heads = 4, head_dim = 16, style = half) : !host.buffer<4x64xf16>
  npu.mask(dst = 0, dst_stride = 256, rows = 16, cols = 64, limit = 1 + %i, rows_per_step = 4) : index
  npu.argmax(dst = 0, a = 64, a_stride = 384, rows = 4, cols = 96)
  npu.fill(dst = 0, dst_stride = 128, dst_type = f16, rows = 4, cols = 64, value = 0xff800000)
  npu.sync() wait(%full) {queue = "vx"} : !npu.semaphore
  func.return
}

// CHECK:      "test.op"() {layouts = [#npu.row_major<row_bytes = 128>, #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 64, padded_n = 64, group = 2>, #npu.rope_table<theta = 1.000000e+04>, #npu.fields<dram = [64, 0, 1, 1, 512], rows = [1]>]} : () -> ()

"test.op"() {layouts = [#npu.row_major<row_bytes = 128>, #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 64, padded_n = 64, group = 2>, #npu.rope_table<theta = 1.000000e+04>, #npu.fields<dram = [64, 0, 1, 1, 512], rows = [1]>]} : () -> ()
