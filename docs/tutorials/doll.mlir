builtin.module attributes {llm.model = #llm.model<name = "doll", architecture = "llama", context_length = 64, vocabulary = 96>} {
  llm.weight @token_embd : tensor<96x64xf16>
  llm.weight @attn_norm : tensor<2x64xf16>
  llm.weight @attn_q : tensor<2x64x64xf16>
  llm.weight @attn_k : tensor<2x32x64xf16>
  llm.weight @attn_v : tensor<2x32x64xf16>
  llm.weight @attn_output : tensor<2x64x64xf16>
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x2x16xf16>) -> tensor<?xi32> {
    %table = llm.get_weight @token_embd : tensor<96x64xf16>
    %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<96x64xf16> -> tensor<?x64xf16>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %y = scf.for %layer = %c0 to %c2 step %c1 iter_args(%h = %x) -> (tensor<?x64xf16>) {
      %gain = llm.get_weight @attn_norm[%layer] : tensor<64xf16>
      %normed = llm.rms_norm %h, %gain {eps = 1.000000e-05 : f32} : tensor<?x64xf16>, tensor<64xf16>
      %wq = llm.get_weight @attn_q[%layer] : tensor<64x64xf16>
      %q = llm.linear %normed, %wq : tensor<?x64xf16>, tensor<64x64xf16> -> tensor<?x64xf16>
      %wk = llm.get_weight @attn_k[%layer] : tensor<32x64xf16>
      %k = llm.linear %normed, %wk : tensor<?x64xf16>, tensor<32x64xf16> -> tensor<?x32xf16>
      %wv = llm.get_weight @attn_v[%layer] : tensor<32x64xf16>
      %v = llm.linear %normed, %wv : tensor<?x64xf16>, tensor<32x64xf16> -> tensor<?x32xf16>
      llm.kv_append %kv[%layer], %k, %v, %seqs : !llm.kv_cache<2x2x16xf16>, tensor<?x32xf16>
      %a = llm.attention %q, %kv[%layer], %seqs {heads = 4 : i64, scale = 2.500000e-01 : f32} : tensor<?x64xf16>, !llm.kv_cache<2x2x16xf16>
      %wo = llm.get_weight @attn_output[%layer] : tensor<64x64xf16>
      %o = llm.linear %a, %wo : tensor<?x64xf16>, tensor<64x64xf16> -> tensor<?x64xf16>
      %sum = llm.add %h, %o : tensor<?x64xf16>
      scf.yield %sum : tensor<?x64xf16>
    }
    %last = llm.last_token %y, %seqs : tensor<?x64xf16> -> tensor<?x64xf16>
    %logits = llm.linear %last, %table : tensor<?x64xf16>, tensor<96x64xf16> -> tensor<?x96xf32>
    %next = llm.argmax %logits : tensor<?x96xf32> -> tensor<?xi32>
    func.return %next : tensor<?xi32>
  }
}
