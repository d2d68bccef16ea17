// RUN: xdsl-opt -p verify-model %s --split-input-file --verify-diagnostics | filecheck %s

// A valid module passes unchanged.
// CHECK: func.func @step

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

// -----

// CHECK: the module has no attribute llm.model, expected #llm.model<...>

builtin.module {
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

// -----

// CHECK: the module has llm.bounds, which must not be there at stage model

builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>, llm.bounds = #llm.bounds<phase = mixed, sequences = 1, new_tokens = 1, context = 8>} {
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

// -----

// CHECK: the module has 0 functions @step, expected 1

builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>} {
  llm.weight @token_embd : tensor<131x48xf16>
  llm.weight @attn_q : tensor<2x48x48xf16>
  func.func @other(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x16xf16>) -> tensor<?xi32> {
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

// -----

// CHECK: @step has type (tensor<?xf16>, !llm.seqs, !llm.kv_cache<2x3x16xf16>) -> tensor<?xi32>, expected (tensor<?xi32>, !llm.seqs, !llm.kv_cache<...>) -> tensor<?xi32>

builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>} {
  func.func private @step(tensor<?xf16>, !llm.seqs, !llm.kv_cache<2x3x16xf16>) -> tensor<?xi32>
}

// -----

// CHECK: the tokens of @step have type tensor<4xi32>, expected tensor<?xi32>

builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>} {
  func.func private @step(tensor<4xi32>, !llm.seqs, !llm.kv_cache<2x3x16xf16>) -> tensor<4xi32>
}

// -----

// CHECK: llm.get_weight names @attn_z, expected one of: token_embd, attn_q

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
      %wq = llm.get_weight @attn_z[%layer] : tensor<48x48xf16>
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

// -----

// CHECK: llm.get_weight @attn_q[layer] has type tensor<48x48xf16>, expected tensor<64x48xf16>

builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>} {
  llm.weight @token_embd : tensor<131x48xf16>
  llm.weight @attn_q : tensor<2x64x48xf16>
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

// -----

// CHECK: llm.get_weight reaches layer 1, weight @attn_q has 1 layers

builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>} {
  llm.weight @token_embd : tensor<131x48xf16>
  llm.weight @attn_q : tensor<1x48x48xf16>
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

// -----

// CHECK: llm.kv_append reaches layer 2, the KV cache has 2 layers

builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>} {
  llm.weight @token_embd : tensor<131x48xf16>
  llm.weight @attn_q : tensor<3x48x48xf16>
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x16xf16>) -> tensor<?xi32> {
    %table = llm.get_weight @token_embd : tensor<131x48xf16>
    %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<131x48xf16> -> tensor<?x48xf16>
    %c0 = arith.constant 0 : index
    %c2 = arith.constant 3 : index
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

// -----

// CHECK: test.op is not allowed at stage model

builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 131>} {
  llm.weight @token_embd : tensor<131x48xf16>
  llm.weight @attn_q : tensor<2x48x48xf16>
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x16xf16>) -> tensor<?xi32> {
    %table = llm.get_weight @token_embd : tensor<131x48xf16>
    %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<131x48xf16> -> tensor<?x48xf16>
    "test.op"() : () -> ()
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

// -----

// CHECK: llm.scores is not allowed at stage model

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
      %s = llm.scores %q, %kv[%layer], %seqs {heads = 3 : i64, scale = 2.500000e-01 : f32} : tensor<?x48xf16>, !llm.kv_cache<2x3x16xf16> -> !llm.ragged<3x?xf32>
      %p = llm.softmax %s : !llm.ragged<3x?xf32> -> !llm.ragged<3x?xf32>
      %a = llm.context %p, %kv[%layer], %seqs : !llm.ragged<3x?xf32>, !llm.kv_cache<2x3x16xf16> -> tensor<?x48xf16>
      scf.yield %a : tensor<?x48xf16>
    }
    %last = llm.last_token %y, %seqs : tensor<?x48xf16> -> tensor<?x48xf16>
    %logits = llm.linear %last, %table : tensor<?x48xf16>, tensor<131x48xf16> -> tensor<?x131xf32>
    %next = llm.argmax %logits : tensor<?x131xf32> -> tensor<?xi32>
    func.return %next : tensor<?xi32>
  }
}
