// RUN: xdsl-opt -p llm-decompose-attention %s | filecheck %s
// RUN: xdsl-opt -p 'llm-decompose-attention{probabilities=f16}' %s | filecheck %s --check-prefix=F16

// CHECK-LABEL: @attention
// CHECK-NEXT:    %scores = llm.scores %q, %kv[%layer], %seqs {device = "pim", heads = 9 : i64, scale = 1.250000e-01 : f32} : tensor<?x576xf16>, !llm.kv_cache<30x3x64xf16> -> !llm.ragged<9x?xf32>
// CHECK-NEXT:    %probabilities = llm.softmax %scores {device = "pim"} : !llm.ragged<9x?xf32> -> !llm.ragged<9x?xf32>
// CHECK-NEXT:    %y = llm.context %probabilities, %kv[%layer], %seqs {device = "pim"} : !llm.ragged<9x?xf32>, !llm.kv_cache<30x3x64xf16> -> tensor<?x576xf16>
// CHECK-NEXT:    func.return %y : tensor<?x576xf16>

// F16:         llm.softmax %scores {device = "pim"} : !llm.ragged<9x?xf32> -> !llm.ragged<9x?xf16>
// F16-NEXT:    llm.context %probabilities, %kv[%layer], %seqs {device = "pim"} : !llm.ragged<9x?xf16>

func.func @attention(%q: tensor<?x576xf16>, %kv: !llm.kv_cache<30x3x64xf16>, %layer: index, %seqs: !llm.seqs) -> tensor<?x576xf16> {
  %y = llm.attention %q, %kv[%layer], %seqs {heads = 9 : i64, scale = 1.250000e-01 : f32, device = "pim"} : tensor<?x576xf16>, !llm.kv_cache<30x3x64xf16>
  func.return %y : tensor<?x576xf16>
}
