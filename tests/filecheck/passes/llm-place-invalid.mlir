// RUN: xdsl-opt %s -p llm-place --split-input-file --verify-diagnostics | filecheck %s

// CHECK: llm.attention has no device of its own: run llm-decompose-attention first
builtin.module {
  func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x16xf16>) -> tensor<?xi32> {
    %q, %c0 = "test.op"() : () -> (tensor<?x48xf16>, index)
    %a = llm.attention %q, %kv[%c0], %seqs {heads = 3 : i64, scale = 2.500000e-01 : f32} : tensor<?x48xf16>, !llm.kv_cache<2x3x16xf16>
    func.return %tokens : tensor<?xi32>
  }
}
