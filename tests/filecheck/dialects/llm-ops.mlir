// RUN: xdsl-opt %s | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s --print-op-generic | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s --print-op-generic | filecheck %s --check-prefix=GENERIC

builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>, llm.bounds = #llm.bounds<phase = decode, sequences = 4, new_tokens = 8, context = 48>} {
  llm.weight @token_embd : tensor<131x96xf16>
  llm.weight @attn_q : tensor<2x96x96xf16> {source = "blk.{layer}.attn_q.weight", file = "tiny.gguf", sha256 = "00000000000000000000000000000000000000000000000000000000000000ff", source_type = "Q4_1", device = "npu"}

  func.func @ops(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x16xf16>, %layer: index,
                 %position: tensor<66x96xf16>, %gain: tensor<96xf16>, %k: tensor<?x48xf16>) {
    %table = llm.get_weight @token_embd : tensor<131x96xf16>
    %wq = llm.get_weight @attn_q[%layer] : tensor<96x96xf16>
    %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<131x96xf16> -> tensor<?x96xf16>
    %p = llm.position_embed %x, %position, %seqs {offset = 2 : i64} : tensor<?x96xf16>, tensor<66x96xf16>
    %p0 = llm.position_embed %x, %position, %seqs : tensor<?x96xf16>, tensor<66x96xf16>
    %n = llm.rms_norm %x, %gain {eps = 9.999990e-06 : f32} : tensor<?x96xf16>, tensor<96xf16>
    %l = llm.layer_norm %x, %gain, %gain {eps = 1.000000e-05 : f32} : tensor<?x96xf16>, tensor<96xf16>
    %q = llm.linear %n, %wq {device = "pim"} : tensor<?x96xf16>, tensor<96x96xf16> -> tensor<?x96xf16>
    %b = llm.linear %n, %wq bias %gain : tensor<?x96xf16>, tensor<96x96xf16>, tensor<96xf16> -> tensor<?x96xf32>
    %r = llm.rope interleaved %q, %seqs {heads = 6 : i64, head_dim = 16 : i64, theta = 1.000000e+04 : f32} : tensor<?x96xf16>
    %h = llm.rope half %q, %seqs {heads = 6 : i64, head_dim = 16 : i64, theta = 1.000000e+04 : f32} : tensor<?x96xf16>
    llm.kv_append %kv[%layer], %k, %k, %seqs : !llm.kv_cache<2x3x16xf16>, tensor<?x48xf16>
    %a = llm.attention %r, %kv[%layer], %seqs {heads = 6 : i64, scale = 2.500000e-01 : f32} : tensor<?x96xf16>, !llm.kv_cache<2x3x16xf16>
    %s = llm.scores %r, %kv[%layer], %seqs {heads = 6 : i64, scale = 2.500000e-01 : f32} : tensor<?x96xf16>, !llm.kv_cache<2x3x16xf16> -> !llm.ragged<6x?xf32>
    %m = llm.softmax %s : !llm.ragged<6x?xf32> -> !llm.ragged<6x?xf16>
    %c = llm.context %m, %kv[%layer], %seqs : !llm.ragged<6x?xf16>, !llm.kv_cache<2x3x16xf16> -> tensor<?x96xf32>
    %g = llm.activation gelu_tanh %q : tensor<?x96xf16>
    %sum = llm.add %q, %g : tensor<?x96xf16>
    %product = llm.mul %q, %g {device = "pim"} : tensor<?x96xf16>
    %cast = llm.cast %c : tensor<?x96xf32> -> tensor<?x96xf16>
    %last = llm.last_token %cast, %seqs : tensor<?x96xf16> -> tensor<?x96xf16>
    %next = llm.argmax %last : tensor<?x96xf16> -> tensor<?xi32>
    func.return
  }
}

// CHECK:       builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>, llm.bounds = #llm.bounds<phase = decode, sequences = 4, new_tokens = 8, context = 48>} {
// CHECK-NEXT:    llm.weight @token_embd : tensor<131x96xf16>
// CHECK-NEXT:    llm.weight @attn_q : tensor<2x96x96xf16> {{{.*}}source = "blk.{layer}.attn_q.weight"{{.*}}source_type = "Q4_1"{{.*}}}
// CHECK-NEXT:    func.func @ops(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x16xf16>, %layer: index
// CHECK-NEXT:      %table = llm.get_weight @token_embd : tensor<131x96xf16>
// CHECK-NEXT:      %wq = llm.get_weight @attn_q[%layer] : tensor<96x96xf16>
// CHECK-NEXT:      %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<131x96xf16> -> tensor<?x96xf16>
// CHECK-NEXT:      %p = llm.position_embed %x, %position, %seqs {offset = 2 : i64} : tensor<?x96xf16>, tensor<66x96xf16>
// CHECK-NEXT:      %p0 = llm.position_embed %x, %position, %seqs : tensor<?x96xf16>, tensor<66x96xf16>
// CHECK-NEXT:      %n = llm.rms_norm %x, %gain {eps = 9.999990e-06 : f32} : tensor<?x96xf16>, tensor<96xf16>
// CHECK-NEXT:      %l = llm.layer_norm %x, %gain, %gain {eps = 1.000000e-05 : f32} : tensor<?x96xf16>, tensor<96xf16>
// CHECK-NEXT:      %q = llm.linear %n, %wq {device = "pim"} : tensor<?x96xf16>, tensor<96x96xf16> -> tensor<?x96xf16>
// CHECK-NEXT:      %b = llm.linear %n, %wq bias %gain : tensor<?x96xf16>, tensor<96x96xf16>, tensor<96xf16> -> tensor<?x96xf32>
// CHECK-NEXT:      %r = llm.rope interleaved %q, %seqs {heads = 6 : i64, head_dim = 16 : i64, theta = 1.000000e+04 : f32} : tensor<?x96xf16>
// CHECK-NEXT:      %h = llm.rope half %q, %seqs {heads = 6 : i64, head_dim = 16 : i64, theta = 1.000000e+04 : f32} : tensor<?x96xf16>
// CHECK-NEXT:      llm.kv_append %kv[%layer], %k, %k, %seqs : !llm.kv_cache<2x3x16xf16>, tensor<?x48xf16>
// CHECK-NEXT:      %a = llm.attention %r, %kv[%layer], %seqs {heads = 6 : i64, scale = 2.500000e-01 : f32} : tensor<?x96xf16>, !llm.kv_cache<2x3x16xf16>
// CHECK-NEXT:      %s = llm.scores %r, %kv[%layer], %seqs {heads = 6 : i64, scale = 2.500000e-01 : f32} : tensor<?x96xf16>, !llm.kv_cache<2x3x16xf16> -> !llm.ragged<6x?xf32>
// CHECK-NEXT:      %m = llm.softmax %s : !llm.ragged<6x?xf32> -> !llm.ragged<6x?xf16>
// CHECK-NEXT:      %c = llm.context %m, %kv[%layer], %seqs : !llm.ragged<6x?xf16>, !llm.kv_cache<2x3x16xf16> -> tensor<?x96xf32>
// CHECK-NEXT:      %g = llm.activation gelu_tanh %q : tensor<?x96xf16>
// CHECK-NEXT:      %sum = llm.add %q, %g : tensor<?x96xf16>
// CHECK-NEXT:      %product = llm.mul %q, %g {device = "pim"} : tensor<?x96xf16>
// CHECK-NEXT:      %cast = llm.cast %c : tensor<?x96xf32> -> tensor<?x96xf16>
// CHECK-NEXT:      %last = llm.last_token %cast, %seqs : tensor<?x96xf16> -> tensor<?x96xf16>
// CHECK-NEXT:      %next = llm.argmax %last : tensor<?x96xf16> -> tensor<?xi32>

// GENERIC:     "llm.rope"(%q, %seqs) <{style = #llm<rope_style interleaved>
// GENERIC:     "llm.activation"(%q) <{kind = #llm<activation_kind gelu_tanh>}> : (tensor<?x96xf16>) -> tensor<?x96xf16>
