// RUN: xdsl-opt %s -p 'llm-shard{tensor-parallel=4}' --verify-diagnostics | filecheck %s --check-prefix=HEADS
// RUN: xdsl-opt %s -p 'llm-shard{tensor-parallel=0}' --verify-diagnostics | filecheck %s --check-prefix=NONE
// RUN: xdsl-opt %s -p 'llm-shard{pipeline-stages=4}' --verify-diagnostics | filecheck %s --check-prefix=LAYERS
// RUN: xdsl-opt %s -p 'llm-shard{tensor-parallel=2},llm-shard{pipeline-stages=3}' --verify-diagnostics | filecheck %s --check-prefix=TWICE

// HEADS: tensor-parallel is 4, expected a divisor of the KV heads: there are 2
// NONE: tensor-parallel is 0, expected at least 1
// LAYERS: pipeline-stages is 4, expected at most 3: the layers of the model
// TWICE: the module is cut already: #llm.mesh<tensor = 2, stages = 1>

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
