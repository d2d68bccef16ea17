// RUN: xdsl-opt -p 'llm-specialize{phase=decode batch=4 context=48}' %s | filecheck %s --check-prefix=DECODE
// RUN: xdsl-opt -p 'llm-specialize{phase=decode batch=4 new-tokens=8}' %s | filecheck %s --check-prefix=VERIFY
// RUN: xdsl-opt -p 'llm-specialize{phase=prefill}' %s | filecheck %s --check-prefix=PREFILL
// RUN: xdsl-opt -p 'llm-specialize{phase=mixed batch=40 context=16}' %s | filecheck %s --check-prefix=MIXED

// Decode: every row is a sequence, so the token dimension is the batch and the last token of each is itself.
// DECODE:       llm.bounds = #llm.bounds<phase = decode, sequences = 4, new_tokens = 4, context = 48>
// DECODE:       func.func @step(%tokens: tensor<4xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x16xf16>) -> tensor<4xi32>
// DECODE:         %y = scf.for %layer = %c0 to %c2 step %c1 iter_args(%h = %x) -> (tensor<4x48xf16>)
// DECODE:           llm.linear %h, %wq : tensor<4x48xf16>, tensor<48x48xf16> -> tensor<4x48xf16>
// DECODE:           llm.attention %q, %kv[%layer], %seqs {{.*}} : tensor<4x48xf16>
// DECODE:         scf.yield %a : tensor<4x48xf16>
// DECODE-NEXT:    }
// DECODE-NEXT:    %logits = llm.linear %y, %table : tensor<4x48xf16>, tensor<131x48xf16> -> tensor<4x131xf32>
// DECODE-NEXT:    %next = llm.argmax %logits : tensor<4x131xf32> -> tensor<4xi32>
// DECODE-NEXT:    func.return %next : tensor<4xi32>

// Two new tokens from each of four sequences: eight rows before the last token, four after it.
// VERIFY:       llm.bounds = #llm.bounds<phase = decode, sequences = 4, new_tokens = 8, context = 64>
// VERIFY:       func.func @step(%tokens: tensor<8xi32>, {{.*}}) -> tensor<4xi32>
// VERIFY:         %last = llm.last_token %y, %seqs : tensor<8x48xf16> -> tensor<4x48xf16>
// VERIFY-NEXT:    %logits = llm.linear %last, %table : tensor<4x48xf16>, tensor<131x48xf16> -> tensor<4x131xf32>

// PREFILL:      llm.bounds = #llm.bounds<phase = prefill, sequences = 1, new_tokens = 32, context = 64>
// PREFILL:      func.func @step(%tokens: tensor<?xi32>, {{.*}}) -> tensor<?xi32>
// PREFILL:        llm.last_token %y, %seqs : tensor<?x48xf16> -> tensor<?x48xf16>

// MIXED:        llm.bounds = #llm.bounds<phase = mixed, sequences = 40, new_tokens = 40, context = 16>

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
