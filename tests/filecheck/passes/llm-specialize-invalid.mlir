// RUN: xdsl-opt -p 'llm-specialize{phase=decode batch=4 context=65}' %s --verify-diagnostics | filecheck %s --check-prefix=CONTEXT
// RUN: xdsl-opt -p 'llm-specialize{phase=mixed context=0}' %s --verify-diagnostics | filecheck %s --check-prefix=NOCONTEXT
// RUN: xdsl-opt -p 'llm-specialize{phase=decode batch=0}' %s --verify-diagnostics | filecheck %s --check-prefix=NOBATCH
// RUN: xdsl-opt -p 'llm-specialize{phase=prefill batch=4 new-tokens=3}' %s --verify-diagnostics | filecheck %s --check-prefix=FEW
// RUN: xdsl-opt -p 'llm-specialize{phase=decode batch=4 new-tokens=6}' %s --verify-diagnostics | filecheck %s --check-prefix=UNEVEN
// RUN: xdsl-opt -p 'llm-specialize{phase=mixed},llm-specialize{phase=mixed}' %s --verify-diagnostics | filecheck %s --check-prefix=TWICE

// CONTEXT: context 65 exceeds the context length 64 of model 'tiny'
// NOCONTEXT: context is 0, expected at least 1
// NOBATCH: batch is 0, expected at least 1
// FEW: new-tokens is 3, expected at least the batch 4: each sequence brings one
// UNEVEN: new-tokens is 6, expected a multiple of the batch 4 in phase decode
// TWICE: the module is specialised already: #llm.bounds<phase = mixed, sequences = 1, new_tokens = 32, context = 64>

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
