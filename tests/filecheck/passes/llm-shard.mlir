// RUN: xdsl-opt %s -p 'llm-shard{tensor-parallel=2},verify-model' | filecheck %s --check-prefix=TENSOR
// RUN: xdsl-opt %s -p 'llm-shard{pipeline-stages=2},verify-model' | filecheck %s --check-prefix=STAGES
// RUN: xdsl-opt %s -p 'llm-shard{tensor-parallel=2 pipeline-stages=3},verify-model' | filecheck %s --check-prefix=BOTH
// RUN: xdsl-opt %s -p 'llm-decompose-attention,llm-shard{tensor-parallel=2}' | filecheck %s --check-prefix=PARTS

// Weights say which part of the whole they are. The embedding is whole; the output head, which has the same values, is not:
// its parts of 66 rows overlap in one, as 131 is odd.
// TENSOR:       llm.mesh = #llm.mesh<tensor = 2, stages = 1>
// TENSOR-NEXT:    llm.weight @token_embd : tensor<131x96xf16>
// TENSOR-NEXT:    llm.weight @token_embd_part : tensor<66x96xf16> {slice = #llm.slice<@token_embd, 131 by tensor, 96>}
// TENSOR-NEXT:    llm.weight @norm : tensor<3x96xf16>
// TENSOR-NEXT:    llm.weight @attn_q : tensor<3x48x96xf16> {source = "blk.{layer}.attn_q.weight", slice = #llm.slice<@attn_q, 3, 96 by tensor, 96>}
// TENSOR-NEXT:    llm.weight @attn_q_bias : tensor<3x48xf16> {slice = #llm.slice<@attn_q_bias, 3, 96 by tensor>}
// TENSOR-NEXT:    llm.weight @attn_k : tensor<3x24x96xf16> {slice = #llm.slice<@attn_k, 3, 48 by tensor, 96>}
// TENSOR-NEXT:    llm.weight @attn_v : tensor<3x24x96xf16> {slice = #llm.slice<@attn_v, 3, 48 by tensor, 96>}
// TENSOR-NEXT:    llm.weight @attn_output : tensor<3x96x48xf16> {slice = #llm.slice<@attn_output, 3, 96, 96 by tensor>}
// TENSOR-NEXT:    llm.weight @attn_output_bias : tensor<3x96xf16>
// TENSOR-NEXT:    llm.weight @ffn_up : tensor<3x64x96xf16> {slice = #llm.slice<@ffn_up, 3, 128 by tensor, 96>}
// TENSOR-NEXT:    llm.weight @ffn_down : tensor<3x96x64xf16> {slice = #llm.slice<@ffn_down, 3, 96, 128 by tensor>}

// Heads are shared out, the residual stream is whole; a bias is added once, to the whole sum.
// TENSOR:       %kv: !llm.kv_cache<3x1x24xf16>) -> tensor<?xi32>
// TENSOR:         %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<131x96xf16> -> tensor<?x96xf16>
// TENSOR:         %q = llm.linear %n, %wq bias %bq : tensor<?x96xf16>, tensor<48x96xf16>, tensor<48xf16> -> tensor<?x48xf16>
// TENSOR:         %r = llm.rope half %q, %seqs {heads = 2 : i64, {{.*}} : tensor<?x48xf16>
// TENSOR-NEXT:    llm.kv_append %kv[%layer], %k, %v, %seqs : !llm.kv_cache<3x1x24xf16>, tensor<?x24xf16>
// TENSOR-NEXT:    %a = llm.attention %r, %kv[%layer], %seqs {heads = 2 : i64, {{.*}} : tensor<?x48xf16>, !llm.kv_cache<3x1x24xf16>
// TENSOR:         %sums = llm.linear %a, %wo : tensor<?x48xf16>, tensor<96x48xf16> -> tensor<?x96xf16>
// TENSOR-NEXT:    %o = llm.all_reduce %sums {devices = 2 : i64} : tensor<?x96xf16>
// TENSOR-NEXT:    %o_1 = llm.bias_add %o, %bo : tensor<?x96xf16>, tensor<96xf16> -> tensor<?x96xf16>
// TENSOR-NEXT:    %h1 = llm.add %h, %o_1 : tensor<?x96xf16>
// TENSOR:         %s = llm.activation silu %u : tensor<?x64xf16>
// TENSOR:         %sums_1 = llm.linear %s, %wd : tensor<?x64xf16>, tensor<96x64xf16> -> tensor<?x96xf16>
// TENSOR-NEXT:    %d = llm.all_reduce %sums_1 {devices = 2 : i64} : tensor<?x96xf16>
// TENSOR-NEXT:    %h2 = llm.add %h1, %d : tensor<?x96xf16>
// TENSOR:       %logits = llm.linear %last, %table_1 : tensor<?x96xf16>, tensor<66x96xf16> -> tensor<?x66xf32>
// TENSOR-NEXT:  %local = llm.argmax %logits : tensor<?x66xf32> -> tensor<?xi32>
// TENSOR-NEXT:  %next = llm.all_argmax %local, %logits {devices = 2 : i64, vocabulary = 131 : i64} : tensor<?xi32>, tensor<?x66xf32>
// TENSOR-NEXT:  func.return %next : tensor<?xi32>

// Stages: two of the three layers, the larger part, between what comes from the stage before and what goes to the next.
// STAGES:       llm.weight @norm : tensor<2x96xf16> {slice = #llm.slice<@norm, 3 by stage, 96>}
// STAGES:       %kv: !llm.kv_cache<2x2x24xf16>) -> tensor<?xi32>
// STAGES:         %c2 = arith.constant 2 : index
// STAGES-NEXT:    %x_1 = llm.receive %x {stages = 2 : i64} : tensor<?x96xf16>
// STAGES-NEXT:    %y = scf.for %layer = %c0 to %c2 step %c1 iter_args(%h = %x_1) -> (tensor<?x96xf16>) {
// STAGES-NOT:     llm.all_reduce
// STAGES:         llm.send %y {stages = 2 : i64} : tensor<?x96xf16>
// STAGES-NEXT:    %last = llm.last_token %y

// BOTH:         llm.mesh = #llm.mesh<tensor = 2, stages = 3>
// BOTH:           llm.weight @attn_output : tensor<1x96x48xf16> {slice = #llm.slice<@attn_output, 3 by stage, 96, 96 by tensor>}

// PARTS:        %scores = llm.scores %r, %kv[%layer], %seqs {heads = 2 : i64, {{.*}} -> !llm.ragged<2x?xf32>
// PARTS-NEXT:   %probabilities = llm.softmax %scores : !llm.ragged<2x?xf32> -> !llm.ragged<2x?xf32>
// PARTS-NEXT:   %a = llm.context %probabilities, %kv[%layer], %seqs : !llm.ragged<2x?xf32>, !llm.kv_cache<3x1x24xf16> -> tensor<?x48xf16>

builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>} {
  llm.weight @token_embd : tensor<131x96xf16>
  llm.weight @norm : tensor<3x96xf16>
  llm.weight @attn_q : tensor<3x96x96xf16> {source = "blk.{layer}.attn_q.weight"}
  llm.weight @attn_q_bias : tensor<3x96xf16>
  llm.weight @attn_k : tensor<3x48x96xf16>
  llm.weight @attn_v : tensor<3x48x96xf16>
  llm.weight @attn_output : tensor<3x96x96xf16>
  llm.weight @attn_output_bias : tensor<3x96xf16>
  llm.weight @ffn_up : tensor<3x128x96xf16>
  llm.weight @ffn_down : tensor<3x96x128xf16>
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<3x2x24xf16>) -> tensor<?xi32> {
    %table = llm.get_weight @token_embd : tensor<131x96xf16>
    %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<131x96xf16> -> tensor<?x96xf16>
    %c0 = arith.constant 0 : index
    %c3 = arith.constant 3 : index
    %c1 = arith.constant 1 : index
    %y = scf.for %layer = %c0 to %c3 step %c1 iter_args(%h = %x) -> (tensor<?x96xf16>) {
      %gain = llm.get_weight @norm[%layer] : tensor<96xf16>
      %n = llm.rms_norm %h, %gain {eps = 1.000000e-05 : f32} : tensor<?x96xf16>, tensor<96xf16>
      %wq = llm.get_weight @attn_q[%layer] : tensor<96x96xf16>
      %bq = llm.get_weight @attn_q_bias[%layer] : tensor<96xf16>
      %wk = llm.get_weight @attn_k[%layer] : tensor<48x96xf16>
      %wv = llm.get_weight @attn_v[%layer] : tensor<48x96xf16>
      %q = llm.linear %n, %wq bias %bq : tensor<?x96xf16>, tensor<96x96xf16>, tensor<96xf16> -> tensor<?x96xf16>
      %k = llm.linear %n, %wk : tensor<?x96xf16>, tensor<48x96xf16> -> tensor<?x48xf16>
      %v = llm.linear %n, %wv : tensor<?x96xf16>, tensor<48x96xf16> -> tensor<?x48xf16>
      %r = llm.rope half %q, %seqs {heads = 4 : i64, head_dim = 24 : i64, theta = 1.000000e+04 : f32} : tensor<?x96xf16>
      llm.kv_append %kv[%layer], %k, %v, %seqs : !llm.kv_cache<3x2x24xf16>, tensor<?x48xf16>
      %a = llm.attention %r, %kv[%layer], %seqs {heads = 4 : i64, scale = 2.500000e-01 : f32} : tensor<?x96xf16>, !llm.kv_cache<3x2x24xf16>
      %wo = llm.get_weight @attn_output[%layer] : tensor<96x96xf16>
      %bo = llm.get_weight @attn_output_bias[%layer] : tensor<96xf16>
      %o = llm.linear %a, %wo bias %bo : tensor<?x96xf16>, tensor<96x96xf16>, tensor<96xf16> -> tensor<?x96xf16>
      %h1 = llm.add %h, %o : tensor<?x96xf16>
      %wu = llm.get_weight @ffn_up[%layer] : tensor<128x96xf16>
      %u = llm.linear %h1, %wu : tensor<?x96xf16>, tensor<128x96xf16> -> tensor<?x128xf16>
      %s = llm.activation silu %u : tensor<?x128xf16>
      %wd = llm.get_weight @ffn_down[%layer] : tensor<96x128xf16>
      %d = llm.linear %s, %wd : tensor<?x128xf16>, tensor<96x128xf16> -> tensor<?x96xf16>
      %h2 = llm.add %h1, %d : tensor<?x96xf16>
      scf.yield %h2 : tensor<?x96xf16>
    }
    %last = llm.last_token %y, %seqs : tensor<?x96xf16> -> tensor<?x96xf16>
    %logits = llm.linear %last, %table : tensor<?x96xf16>, tensor<131x96xf16> -> tensor<?x131xf32>
    %next = llm.argmax %logits : tensor<?x131xf32> -> tensor<?xi32>
    func.return %next : tensor<?xi32>
  }
}
