// RUN: xdsl-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: expected layers x KV heads x head dimension x element type, as in !llm.kv_cache<30x3x64xf16>
"test.op"() {t = !llm.kv_cache<3x64xf16>} : () -> ()

// -----

// CHECK: llm.kv_cache has KV heads 0, expected at least 1
"test.op"() {t = !llm.kv_cache<30x0x64xf16>} : () -> ()

// -----

// CHECK: llm.kv_cache has element type i8, expected f16 or f32
"test.op"() {t = !llm.kv_cache<30x3x64xi8>} : () -> ()

// -----

// CHECK: expected heads x ? x element type, as in !llm.ragged<9x?xf32>
"test.op"() {t = !llm.ragged<9x4xf32>} : () -> ()

// -----

// CHECK: llm.model has context_length 0, expected at least 1
"test.op"() {t = #llm.model<name = "a", architecture = "llama", context_length = 0, vocabulary = 8>} : () -> ()

// -----

// CHECK: llm.bounds has new_tokens 2, expected at least 4: each sequence brings at least one
"test.op"() {t = #llm.bounds<phase = decode, sequences = 4, new_tokens = 2, context = 8>} : () -> ()

// -----

// CHECK: weight @w has shape ?x8, expected static sizes of at least 1
llm.weight @w : tensor<?x8xf16>

// -----

// CHECK: weight @w has a sha256 of 3 characters, expected 64
llm.weight @w : tensor<8xf16> {sha256 = "abc"}

// -----

// CHECK: expected a tensor of f16 or f32
llm.weight @w : tensor<8xi8>

// -----

// CHECK: y has shape ?x32, expected ?x64: one row of the table per token
%t, %w = "test.op"() : () -> (tensor<?xi32>, tensor<9x64xf16>)
%y = llm.embed %t, %w : tensor<?xi32>, tensor<9x64xf16> -> tensor<?x32xf16>

// -----

// CHECK: table has shape 9x32, expected 9x64: rows as wide as x
%x, %w, %s = "test.op"() : () -> (tensor<?x64xf16>, tensor<9x32xf16>, !llm.seqs)
%y = llm.position_embed %x, %w, %s : tensor<?x64xf16>, tensor<9x32xf16>

// -----

// CHECK: offset is 9, expected less than 9: the table's rows
%x, %w, %s = "test.op"() : () -> (tensor<?x64xf16>, tensor<9x64xf16>, !llm.seqs)
%y = llm.position_embed %x, %w, %s {offset = 9 : i64} : tensor<?x64xf16>, tensor<9x64xf16>

// -----

// CHECK: weight has shape 32x48, expected 32x64: outputs x inputs, x has 64 features
%x, %w = "test.op"() : () -> (tensor<?x64xf16>, tensor<32x48xf16>)
%y = llm.linear %x, %w : tensor<?x64xf16>, tensor<32x48xf16> -> tensor<?x32xf16>

// -----

// CHECK: bias has shape 64, expected 32: one per output
%x, %w, %b = "test.op"() : () -> (tensor<?x64xf16>, tensor<32x64xf16>, tensor<64xf16>)
%y = llm.linear %x, %w bias %b : tensor<?x64xf16>, tensor<32x64xf16>, tensor<64xf16> -> tensor<?x32xf16>

// -----

// CHECK: y has shape 4x32, expected ?x32: token rows of x, outputs of the weight
%x, %w = "test.op"() : () -> (tensor<?x64xf16>, tensor<32x64xf16>)
%y = llm.linear %x, %w : tensor<?x64xf16>, tensor<32x64xf16> -> tensor<4x32xf16>

// -----

// CHECK: gain has shape 32, expected 64: one gain per feature of x
%x, %g = "test.op"() : () -> (tensor<?x64xf16>, tensor<32xf16>)
%y = llm.rms_norm %x, %g {eps = 1.0e-05 : f32} : tensor<?x64xf16>, tensor<32xf16>

// -----

// CHECK: x has shape ?x4x16, expected rank 2: token rows x features
%x, %g = "test.op"() : () -> (tensor<?x4x16xf16>, tensor<16xf16>)
%y = llm.rms_norm %x, %g {eps = 1.0e-05 : f32} : tensor<?x4x16xf16>, tensor<16xf16>

// -----

// CHECK: head_dim is 15, expected an even number: elements rotate in pairs
%x, %s = "test.op"() : () -> (tensor<?x60xf16>, !llm.seqs)
%y = llm.rope half %x, %s {heads = 4 : i64, head_dim = 15 : i64, theta = 1.0e+04 : f32} : tensor<?x60xf16>

// -----

// CHECK: x has shape ?x60, expected ?x64: 4 heads of 16
%x, %s = "test.op"() : () -> (tensor<?x60xf16>, !llm.seqs)
%y = llm.rope half %x, %s {heads = 4 : i64, head_dim = 16 : i64, theta = 1.0e+04 : f32} : tensor<?x60xf16>

// -----

// CHECK: k has shape ?x64, expected ?x48: 3 KV heads of 16 in the cache
%kv, %l, %k, %s = "test.op"() : () -> (!llm.kv_cache<2x3x16xf16>, index, tensor<?x64xf16>, !llm.seqs)
llm.kv_append %kv[%l], %k, %k, %s : !llm.kv_cache<2x3x16xf16>, tensor<?x64xf16>

// -----

// CHECK: k has element type f32, expected f16: the cache's
%kv, %l, %k, %s = "test.op"() : () -> (!llm.kv_cache<2x3x16xf16>, index, tensor<?x48xf32>, !llm.seqs)
llm.kv_append %kv[%l], %k, %k, %s : !llm.kv_cache<2x3x16xf16>, tensor<?x48xf32>

// -----

// CHECK: heads is 8, expected a multiple of 3: the KV heads of the cache
%q, %kv, %l, %s = "test.op"() : () -> (tensor<?x128xf16>, !llm.kv_cache<2x3x16xf16>, index, !llm.seqs)
%y = llm.attention %q, %kv[%l], %s {heads = 8 : i64, scale = 0.25 : f32} : tensor<?x128xf16>, !llm.kv_cache<2x3x16xf16>

// -----

// CHECK: y has 9 heads, expected 6: one per query head
%q, %kv, %l, %s = "test.op"() : () -> (tensor<?x96xf16>, !llm.kv_cache<2x3x16xf16>, index, !llm.seqs)
%y = llm.scores %q, %kv[%l], %s {heads = 6 : i64, scale = 0.25 : f32} : tensor<?x96xf16>, !llm.kv_cache<2x3x16xf16> -> !llm.ragged<9x?xf32>

// -----

// CHECK: y has 6 heads, expected 9: the heads of x
%x = "test.op"() : () -> !llm.ragged<9x?xf32>
%y = llm.softmax %x : !llm.ragged<9x?xf32> -> !llm.ragged<6x?xf32>

// -----

// CHECK: y has shape ?x48, expected ?x96: 6 heads of 16
%p, %kv, %l, %s = "test.op"() : () -> (!llm.ragged<6x?xf32>, !llm.kv_cache<2x3x16xf16>, index, !llm.seqs)
%y = llm.context %p, %kv[%l], %s : !llm.ragged<6x?xf32>, !llm.kv_cache<2x3x16xf16> -> tensor<?x48xf16>

// -----

// CHECK: y has shape ?x32, expected ?x64: a cast keeps the shape of x
%x = "test.op"() : () -> tensor<?x64xf32>
%y = llm.cast %x : tensor<?x64xf32> -> tensor<?x32xf16>

// -----

// CHECK: y has 8 rows, expected at most 4: each sequence brings at least one row of x
%x, %s = "test.op"() : () -> (tensor<4x64xf16>, !llm.seqs)
%y = llm.last_token %x, %s : tensor<4x64xf16> -> tensor<8x64xf16>

// -----

// CHECK: y has shape 4, expected ?: one index per row of logits ?x64
%x = "test.op"() : () -> tensor<?x64xf32>
%y = llm.argmax %x : tensor<?x64xf32> -> tensor<4xi32>

// -----

// CHECK: devices is 1, expected at least 2
%x = "test.op"() : () -> tensor<?x64xf16>
%y = llm.all_reduce %x {devices = 1 : i64} : tensor<?x64xf16>

// -----

// CHECK: vocabulary is 131, expected 32 to 128: 4 devices have 32 logits each
%ids, %logits = "test.op"() : () -> (tensor<?xi32>, tensor<?x32xf32>)
%y = llm.all_argmax %ids, %logits {devices = 4 : i64, vocabulary = 131 : i64} : tensor<?xi32>, tensor<?x32xf32>

// -----

// CHECK: stages is 1, expected at least 2
%x = "test.op"() : () -> tensor<?x64xf16>
llm.send %x {stages = 1 : i64} : tensor<?x64xf16>

// -----

// CHECK: llm.slice is cut by rack, expected one of tensor, stage
llm.weight @w : tensor<4x64xf16> {slice = #llm.slice<@w, 8 by rack, 64>}

// -----

// CHECK: weight @w has shape 4x64, which is no slice #llm.slice<@w, 8, 64>
llm.weight @w : tensor<4x64xf16> {slice = #llm.slice<@w, 8, 64>}

// -----

// CHECK: llm.mesh has stages 0, expected at least 1
"test.op"() {t = #llm.mesh<tensor = 2, stages = 0>} : () -> ()
