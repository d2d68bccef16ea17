// Ops that join a value of which a device has a part with one that it has whole.

// RUN: xdsl-opt %s -p 'llm-shard{tensor-parallel=2}' --split-input-file --verify-diagnostics | filecheck %s

// CHECK: llm.add takes a whole value, expected one that is cut over devices
builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 32>} {
  llm.weight @table : tensor<32x16xf16>
  llm.weight @w : tensor<16x16xf16>
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<1x2x8xf16>) -> tensor<?xi32> {
    %table = llm.get_weight @table : tensor<32x16xf16>
    %w = llm.get_weight @w : tensor<16x16xf16>
    %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<32x16xf16> -> tensor<?x16xf16>
    %y = llm.linear %x, %w : tensor<?x16xf16>, tensor<16x16xf16> -> tensor<?x16xf16>
    %z = llm.add %x, %y : tensor<?x16xf16>
    %next = llm.argmax %z : tensor<?x16xf16> -> tensor<?xi32>
    func.return %next : tensor<?xi32>
  }
}

// -----

// CHECK: llm.last_token takes a value that is cut over devices, expected a whole one
builtin.module attributes {llm.model = #llm.model<name = "tiny", architecture = "llama", context_length = 64, vocabulary = 32>} {
  llm.weight @table : tensor<32x16xf16>
  llm.weight @w : tensor<16x16xf16>
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<1x2x8xf16>) -> tensor<?xi32> {
    %table = llm.get_weight @table : tensor<32x16xf16>
    %w = llm.get_weight @w : tensor<16x16xf16>
    %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<32x16xf16> -> tensor<?x16xf16>
    %y = llm.linear %x, %w : tensor<?x16xf16>, tensor<16x16xf16> -> tensor<?x16xf16>
    %last = llm.last_token %y, %seqs : tensor<?x16xf16> -> tensor<?x16xf16>
    %next = llm.argmax %last : tensor<?x16xf16> -> tensor<?xi32>
    func.return %next : tensor<?xi32>
  }
}
