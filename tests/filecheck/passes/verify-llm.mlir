// RUN: xdsl-opt -p 'llm-decompose-attention,llm-specialize{phase=decode batch=4},verify-llm' %s | filecheck %s
// RUN: xdsl-opt -p 'llm-decompose-attention,llm-specialize{phase=mixed},verify-llm' %s | filecheck %s
// RUN: xdsl-opt -p 'llm-specialize{phase=mixed},verify-llm' %s --verify-diagnostics | filecheck %s --check-prefix=FUSED
// RUN: xdsl-opt -p 'llm-decompose-attention,verify-llm' %s --verify-diagnostics | filecheck %s --check-prefix=UNBOUNDED

// CHECK: func.func @step
// FUSED: llm.attention is not allowed at stage llm
// UNBOUNDED: the module has no attribute llm.bounds: run llm-specialize first

builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>} {
  llm.weight @token_embd : tensor<131x48xf16>
  llm.weight @attn_q : tensor<2x48x48xf16>
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x16xf16>) -> tensor<?xi32> {
    %table = llm.get_weight @token_embd : tensor<131x48xf16>
    %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<131x48xf16> -> tensor<?x48xf16>
    %c0 = arith.constant 0 : index
    %c2 = arith.constant 2 : index
    %c1 = arith.constant 1 : index
    %y = scf.for %layer = %c0 to %c2 step %c1 iter_args(%h = %x) -> (tensor<?x48xf16>) {
      %wq = llm.get_weight @attn_q[%layer] : tensor<48x48xf16>
      %q = llm.linear %h, %wq : tensor<?x48xf16>, tensor<48x48xf16> -> tensor<?x48xf16>
      llm.kv_append %kv[%layer], %q, %q, %seqs : !llm.kv_cache<2x3x16xf16>, tensor<?x48xf16>
      %a = llm.attention %q, %kv[%layer], %seqs {heads = 3 : i64, scale = 2.500000e-01 : f32} : tensor<?x48xf16>, !llm.kv_cache<2x3x16xf16>
      scf.yield %a : tensor<?x48xf16>
    }
    %last = llm.last_token %y, %seqs : tensor<?x48xf16> -> tensor<?x48xf16>
    %logits = llm.linear %last, %table : tensor<?x48xf16>, tensor<131x48xf16> -> tensor<?x131xf32>
    %next = llm.argmax %logits : tensor<?x131xf32> -> tensor<?xi32>
    func.return %next : tensor<?xi32>
  }
}
